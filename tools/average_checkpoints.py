"""Average the weights of trainings that began with one model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

import mmseg_cosda
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.files import atomic_write
from mmseg_cosda.inference.averaging import (
    FAR,
    average_checkpoints,
    farthest,
    has_moving_statistics,
    predicting,
)
from mmseg_cosda.inference.checkpoint_content import read_content

EPILOG = """\
The checkpoints are of one net: trainings of different methods, or seeds of the second
stage, that began with the same source-only model (load_from). Their mean is tested,
predicted with, exported and trained on like any checkpoint, and costs no more than one.

Example:
  python tools/average_checkpoints.py work_dirs/cosda/deeplabv2_demo/iter_400.pth \\
      work_dirs/dacs/deeplabv2_demo_cosine/iter_400.pth --out mean.pth
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("average_checkpoints", __doc__, EPILOG)
    add = parser.add_argument
    add(
        "checkpoints", nargs="+", metavar="CHECKPOINT", help="two or more paths or URLs"
    )
    add(
        "--out", required=True, type=Path, metavar="FILE", help="the .pth file to write"
    )
    return parser.parse_args(args)


def check(options: argparse.Namespace) -> None:
    """Refuse options that can't be meant.

    Raises:
        UserError: See above.
    """
    names = options.checkpoints
    if len(names) < 2:
        raise UserError(f"{names[0]} alone: give two checkpoints or more to average")
    if options.out.suffix != ".pth":
        raise UserError(f"--out {options.out}: must end with .pth")
    if len({Path(name).resolve() for name in names}) < len(names):
        raise UserError(f"{', '.join(names)}: one of these is named twice")
    for name in names:
        if Path(name).resolve() == options.out.resolve():
            raise UserError(f"--out {options.out} would replace {name}: name another")


def main(args: Sequence[str] | None = None) -> None:
    """Average checkpoints and say what was written."""
    options = parse_args(args)
    check(options)
    names = options.checkpoints
    contents = [read_content(name) for name in names]
    mean = average_checkpoints(contents, names)
    mean["meta"]["mmseg_cosda_version"] = mmseg_cosda.__version__
    with atomic_write(options.out) as file:
        torch.save(mean, file)
    print(f"wrote {options.out}: the mean of {len(names)} checkpoints")
    states = [predicting(content["state_dict"]) for content in contents]
    layer, cosine = farthest(states)
    if cosine < FAR:
        print(
            f"they hardly resemble each other in {layer} (cosine {cosine:.2f}): nets "
            "that did not begin with one model have no meaningful mean: measure it"
        )
    if has_moving_statistics(states):
        print(
            "their BatchNorm statistics differ, and the means of these aren't those of "
            "the mean net: measure it, or train it on for some iterations (load_from)"
        )


if __name__ == "__main__":
    run_tool(main)
