"""Render labelled street scenes from the art of TORCS: the source of torcs2camvid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mmengine.utils import ProgressBar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for benchmarks/

from benchmarks.torcs2camvid.street_renderer.art import find_art
from benchmarks.torcs2camvid.street_renderer.context import (
    driver_name,
    use_software_driver,
)
from benchmarks.torcs2camvid.street_renderer.job import (
    LAST_SEED,
    default_workers,
    missing,
    prepare_folder,
    render_all,
)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, ended_by_sigterm, run_tool

DATASET_SEED = 50_000
EPILOG = """\
Image i is the same whatever else is rendered with it. A folder can be filled in several
parts, and goes on where it was stopped. The art comes from Debian's package torcs-data
(apt install torcs-data), OpenGL from Mesa (apt install libegl1 libgl1-mesa-dri); no GPU
is needed.

Example:
  python tools/render_streets.py data/torcs2camvid --count 566
  python tools/render_streets.py /tmp/streets --count 8 --first 300 --workers 1
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed arguments of the command line."""
    parser = tool_parser("render_streets", __doc__, EPILOG)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder that gets source/{images,labels}")
    add("--count", type=int, required=True, metavar="N", help="how many images")
    add("--first", type=int, default=0, metavar="I", help="first index (0)")
    add(
        "--seed",
        type=int,
        default=DATASET_SEED,
        metavar="S",
        help="image i is drawn from S + i (default %(default)s, the data set's)",
    )
    add(
        "--torcs",
        type=Path,
        metavar="DIR",
        help="data folder of TORCS (default /usr/share/games/torcs)",
    )
    add(
        "--workers",
        type=int,
        default=default_workers(),
        metavar="N",
        help="processes (default %(default)s, the CPUs)",
    )
    add(
        "--gpu",
        action="store_true",
        help="use the system's OpenGL driver instead of Mesa on the CPU: faster, but "
        "pixels differ a little from one driver to another",
    )
    options = parser.parse_args(args)
    for name, least in (("count", 1), ("first", 0), ("seed", 0), ("workers", 1)):
        value = getattr(options, name)
        if value < least:
            raise UserError(f"--{name} {value}: must be at least {least}")
    last = options.seed + options.first + options.count - 1
    if last > LAST_SEED:
        raise UserError(f"--seed {options.seed}: the last image's is above {LAST_SEED}")
    return options


def main(args: Sequence[str] | None = None) -> None:
    """Render what is missing and say where it lies."""
    options = parse_args(args)
    out: Path = options.out
    find_art(options.torcs)
    if not options.gpu:
        use_software_driver(max(1, default_workers() // options.workers))
    driver = driver_name()
    print(f"OpenGL: {driver}")
    warning = prepare_folder(out, options.seed, driver)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    indices = range(options.first, options.first + options.count)
    todo = missing(out, indices)
    if len(todo) < len(indices):
        print(f"{len(indices) - len(todo)} of {len(indices)} images are there already")
    if todo:
        bar = ProgressBar(len(todo), file=sys.stderr)
        rendered = render_all(out, todo, options.seed, options.torcs, options.workers)
        with ended_by_sigterm(), closing(rendered):
            for _ in rendered:
                bar.update()
        print(file=sys.stderr)
    print(f"{len(indices)} images with labels: {out / 'source'}")


if __name__ == "__main__":
    run_tool(main)
