"""Count the classes of a config's source labels, once, for rare-class sampling."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS
from prettytable import PrettyTable

import mmseg_cosda  # noqa: F401  (registers what configs name)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.datasets.class_counting import counted
from mmseg_cosda.datasets.class_counts import (
    ClassCounts,
    dataset_identity,
    default_path,
)
from mmseg_cosda.datasets.orders import RareClassOrder
from mmseg_cosda.errors import UserError, run_tool

EPILOG = """
A training whose source_order is a RareClassOrder counts by itself where the file is
missing; this does it beforehand, with all cores. What an interrupted count has written
is gone on from.

Example:
  python tools/count_classes.py configs/cosda/deeplabv2_demo_no-pl.py
  python tools/count_classes.py configs/cosda/deeplabv2_gta2cs_no-pl.py --out gta.json

The second file is for
  train_dataloader.dataset.source_order=dict(type="RareClassOrder",
                                             class_counts="gta.json")
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = tool_parser("count_classes", __doc__, EPILOG)
    parser.add_argument("config", help="a config of this project or of the host")
    parser.add_argument(
        "--out",
        help="write the counts to this JSON file; by default to the config's "
        "source_order.class_counts, else work_dirs/class_counts/TYPE_IDENTITY.json",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace another dataset's counts"
    )
    parser.add_argument(
        "--workers", type=int, help="reading processes; default: one per core"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=ConfigOption, help="changes of the config"
    )
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Count the classes and show how often each would be drawn.

    Args:
        args: The command line, ``sys.argv`` by default.

    Raises:
        UserError: If the config has no training data, the file is of another dataset,
            a label can't be read, or an option is out of range.
    """
    options = parse_args(args)
    if options.workers is not None and options.workers < 0:
        raise UserError(f"--workers {options.workers}: must not be negative")
    config = read_config(options.config, options.cfg_options)
    pair = (config.get("train_dataloader") or {}).get("dataset") or {}
    if not pair:
        raise UserError(f"{options.config} has no train_dataloader.dataset")
    source = DATASETS.build(pair.get("source") or pair)
    source.full_init()
    order = dict(pair.get("source_order") or {})
    order.pop("type", None)
    named = options.out or order.get("class_counts")
    path = Path(named or default_path(source, dataset_identity(source)))
    if options.overwrite:
        path.unlink(missing_ok=True)
    counts = counted(source, str(path), options.workers)
    print(as_text(RareClassOrder(source, seed=0, **order), counts))
    print(f"{len(counts)} images: {path}")


def as_text(order: RareClassOrder, counts: ClassCounts) -> str:
    """Return what an order makes of counts, a row per class, the rarest first.

    Args:
        order: With the options of the config.
        counts: Of its dataset.
    """
    order.use(counts)
    pixels = counts.pixels.sum(axis=0)
    names: list[Any] = ["class", "pixels, %", "drawn", "images", "of them drawn"]
    table = PrettyTable(names)
    table.align = "r"
    table.align["class"] = "l"
    for label in sorted(range(len(pixels)), key=lambda c: int(pixels[c])):
        held = int((counts.pixels[:, label] > 0).sum())
        table.add_row(
            [
                counts.classes[label],
                f"{100 * pixels[label] / max(pixels.sum(), 1):.3f}",
                f"{order.probabilities[label]:.3f}",
                held,
                len(order.images[label]),
            ]
        )
    return str(table)


if __name__ == "__main__":
    run_tool(main)
