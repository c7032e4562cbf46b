"""Draw a contact sheet of the demo streets: both domains, with their labels."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.patches import Patch
from PIL import Image

from mmseg_cosda.commands import tool_parser
from mmseg_cosda.datasets.demo.street import (
    DEMO_CLASSES,
    DEMO_PALETTE,
    DOMAINS,
    SPLITS,
)
from mmseg_cosda.datasets.demo_streets import DemoStreetsDataset
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.files import atomic_write

UInt8 = npt.NDArray[np.uint8]

EPILOG = """Example:
  python tools/show_demo.py --out demo_streets.png --rows 4
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed arguments of the command line."""
    parser = tool_parser("show_demo", __doc__, EPILOG)
    parser.add_argument("--out", default="demo_streets.png", help="the PNG to write")
    parser.add_argument("--rows", type=int, default=4, help="images per domain")
    parser.add_argument("--first", type=int, default=0, help="index of the first image")
    parser.add_argument("--split", default="train", help=f"one of {', '.join(SPLITS)}")
    parser.add_argument("--seed", type=int, default=0, help="seed of the images")
    parser.add_argument(
        "--gap", type=float, default=1.0, help="strength of the target's look, 0 to 1"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        nargs=2,
        default=(256, 128),
        metavar=("WIDTH", "HEIGHT"),
        help="size of the images in pixels",
    )
    return parser.parse_args(args)


def pictures(options: argparse.Namespace) -> list[list[UInt8]]:
    """Return the sheet's pictures by row: image and labels of each domain, RGB."""
    palette = np.array(DEMO_PALETTE, np.uint8)
    columns: list[list[UInt8]] = []
    for domain in DOMAINS:
        dataset = DemoStreetsDataset(
            domain=domain,
            split=options.split,
            length=options.first + options.rows,
            image_size=tuple(options.image_size),
            seed=options.seed,
            gap=options.gap,
        )
        streets = [
            dataset.get_data_info(index)["demo_street"].render()
            for index in range(options.first, options.first + options.rows)
        ]
        columns.append([image[..., ::-1] for image, _ in streets])
        columns.append([palette[labels] for _, labels in streets])
    return [list(row) for row in zip(*columns, strict=True)]


def draw_sheet(rows: Sequence[Sequence[UInt8]]) -> bytes:
    """Return the PNG of the contact sheet, in 256 colors to stay small."""
    height, width = rows[0][0].shape[:2]
    wide = 11.0
    tall = (wide - 0.4) / 4 * height / width * len(rows) + 0.75
    figure, axes = plt.subplots(
        len(rows), 4, figsize=(wide, tall), squeeze=False, layout="constrained"
    )
    titles = ("source: game", "labels", "target: camera", "labels")
    for row, panels in zip(rows, axes, strict=True):
        for picture, panel in zip(row, panels, strict=True):
            panel.imshow(picture, interpolation="lanczos")
            panel.set_axis_off()
    for title, panel in zip(titles, axes[0], strict=True):
        panel.set_title(title, fontsize=11)
    figure.legend(
        handles=[
            Patch(color=tuple(c / 255 for c in color), label=name)
            for name, color in zip(DEMO_CLASSES, DEMO_PALETTE, strict=True)
        ],
        loc="outside lower center",
        ncols=len(DEMO_CLASSES),
        frameon=False,
        fontsize=9,
        handlelength=1.0,
        columnspacing=1.2,
    )
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=100)
    plt.close(figure)
    rgb = Image.open(full).convert("RGB")
    sheet = rgb.quantize(256, kmeans=2, dither=Image.Dither.NONE)
    sheet.save(small, format="png", optimize=True)
    return small.getvalue()


def main(args: Sequence[str] | None = None) -> None:
    """Draw the sheet and say where it lies."""
    options = parse_args(args)
    if options.rows < 1:
        raise UserError(f"--rows {options.rows}: must be positive")
    if options.first < 0:
        raise UserError(f"--first {options.first}: must be at least 0")
    out = Path(options.out)
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: must end with .png")
    content = draw_sheet(pictures(options))
    with atomic_write(out) as file:
        file.write(content)
    print(f"{options.rows} images of each domain: {out}")


if __name__ == "__main__":
    run_tool(main)
