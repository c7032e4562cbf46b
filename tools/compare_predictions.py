"""Show image, ground truth and the predictions of several checkpoints side by side."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import mmseg_cosda  # noqa: F401  (registers everything)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.device import choose_device
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.image_names import find_images, image_names, name_suffix
from mmseg_cosda.inference.images import TargetImages, read_picture, validation_images
from mmseg_cosda.inference.loading import load_model
from mmseg_cosda.inference.predicted_maps import LabelMaps, predict_maps
from mmseg_cosda.visualization.arguments import named_values
from mmseg_cosda.visualization.comparison import CRITERIA, compare, pick
from mmseg_cosda.visualization.files import check_suffix, check_width, save_figure
from mmseg_cosda.visualization.panels import PictureRow, draw_panels, legend_of

EPILOG = """\
The images are those of the config's val_dataloader. Shown are the images on which
the checkpoints differ most (share of the labelled pixels on which not all agree), or
the last one gains most over the first in pixel accuracy, or those that are named.

Example:
  python tools/compare_predictions.py configs/cosda/deeplabv2_demo.py --checkpoints \\
      "source only=work_dirs/source_only/deeplabv2_demo/iter_400.pth" \\
      "eq. 12=work_dirs/cosda/deeplabv2_demo/iter_400.pth" --out compared.png
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("compare_predictions", __doc__, EPILOG)
    add = parser.add_argument
    add("config", help="config of the network and of the validation images")
    add("--checkpoints", nargs="+", required=True, metavar="NAME=CKPT")
    add("--out", required=True, type=Path, help="the .png, .pdf or .svg to write")
    add("--rows", type=int, default=4, help="images shown (4)")
    add(
        "--by",
        choices=CRITERIA,
        default=CRITERIA[0],
        help="what the images are picked by (difference)",
    )
    add(
        "--apart",
        type=int,
        default=1,
        metavar="N",
        help="picked images are at least N positions apart, for frames of a video (1)",
    )
    add("--images", nargs="+", metavar="NAME", help="show these instead")
    add("--limit", type=int, metavar="N", help="look at the first N images only")
    add("--width", type=float, help="inches (7.2; more for more than 3 checkpoints)")
    add("--device", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    add("--batch-size", type=int, default=1, help="images per forward (1)")
    add("--workers", type=int, default=2, help="processes that load images (2)")
    add("--cfg-options", nargs="+", action=ConfigOption, help="changes of the config")
    return parser.parse_args(args)


def checkpoints_of(options: argparse.Namespace) -> dict[str, str]:
    """Return name -> checkpoint, after a look at all options.

    Raises:
        UserError: If one is out of range.
    """
    check_suffix(options.out)
    check_width(options.width)
    least_values = dict(rows=1, apart=1, limit=1, batch_size=1, workers=0)
    for name, least in least_values.items():
        value = getattr(options, name)
        if value is not None and value < least:
            option = name.replace("_", "-")
            raise UserError(f"--{option} {value}: must be at least {least}")
    if options.images and options.limit:
        raise UserError("--limit and --images: the named images are all that is read")
    found = named_values(options.checkpoints, "--checkpoints", "CKPT")
    for name, paths in found.items():
        if len(paths) > 1:
            raise UserError(f"--checkpoints: {name} is there twice; give other names")
    if len(found) == 1 and not options.images:
        raise UserError(
            "--checkpoints: one alone differs from nothing; give another, or --images"
        )
    return {name: paths[0] for name, paths in found.items()}


def predict_all(
    cfg: Any,
    checkpoints: Mapping[str, str],
    images: TargetImages,
    indices: Sequence[int],
    options: argparse.Namespace,
) -> tuple[dict[str, LabelMaps], LabelMaps]:
    """Run one model after the other; return their predictions and the ground truth."""
    device = choose_device(options.device)
    for path in checkpoints.values():  # refused before minutes of inference, not after
        classes = images.dataset.metainfo["classes"]
        load_model(cfg, path, "cpu", classes, "val_dataloader.dataset")
    predictions: dict[str, LabelMaps] = {}
    truths = LabelMaps()
    for name, path in checkpoints.items():
        print(f"{name}: {path}", file=sys.stderr)
        model = load_model(cfg, path, device)
        predictions[name], truths = predict_maps(
            model, images, indices, options.batch_size, options.workers
        )
        del model
        gc.collect()
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
    return predictions, truths


def main(args: Sequence[str] | None = None) -> None:
    """Compare the checkpoints and say where the picture is."""
    options = parse_args(args)
    checkpoints = checkpoints_of(options)
    cfg = read_config(options.config, options.cfg_options)
    images = validation_images(cfg)
    names, legend = image_names(images), legend_of(images.dataset)
    if options.images:
        indices = find_images(options.images, names, name_suffix(images))
    else:
        indices = list(range(len(names)))[: options.limit]
    predictions, truths = predict_all(cfg, checkpoints, images, indices, options)
    maps = list(predictions.values())
    compared = compare(maps, truths, images.dataset)
    shown = list(range(len(indices)))
    if not options.images:
        shown = pick(compared, options.by, options.rows, options.apart)
    rows = [
        PictureRow(
            names[indices[i]],
            compared[i].note(options.by),
            read_picture(images[indices[i]], truths[i]),
            truths[i],
            [found[i] for found in maps],
            compared[i].scores,
        )
        for i in shown
    ]
    figure = draw_panels(rows, list(checkpoints), legend, options.width)
    save_figure(figure, options.out)
    print(f"{len(rows)} of {len(indices)} images: {options.out}")


if __name__ == "__main__":
    run_tool(main)
