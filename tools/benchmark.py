"""Measure the promised bounds: loss, queue, step, methods, data and pseudo-labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for benchmarks/

import mmseg_cosda  # noqa: F401  (before any config is read)
from benchmarks.speed.checks import check_rows
from benchmarks.speed.growth import growth_rows
from benchmarks.speed.growth_plot import draw_growth
from benchmarks.speed.loading import loading_rows
from benchmarks.speed.loss import cuda_rows, loss_rows
from benchmarks.speed.method_rows import method_rows
from benchmarks.speed.pseudo_labels import pseudo_label_rows
from benchmarks.speed.queue import queue_rows
from benchmarks.speed.report import (
    Row,
    Settings,
    format_table,
    machine,
    write_json,
)
from benchmarks.speed.shares import share_rows
from benchmarks.speed.step_rows import step_rows
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.visualization.files import check_suffix, save_figure

SECTIONS: dict[str, Callable[[Settings], list[Row]]] = {
    "loss": loss_rows,
    "shares": share_rows,
    "cuda": cuda_rows,
    "queue": queue_rows,
    "growth": growth_rows,
    "step": step_rows,
    "methods": method_rows,
    "checks": check_rows,
    "loading": loading_rows,
    "pseudo_labels": pseudo_label_rows,
}
EPILOG = """\
Each figure is a ratio within this run: the median of interleaved rounds of the
process's own time on one thread (on a GPU of the clock). Memory, kernels and host
syncs are counted.

Example:
  python tools/benchmark.py --json benchmark.json
  python tools/benchmark.py --quick --only loss queue
  python tools/benchmark.py --only growth --plot growth.png
"""


def main(args: Sequence[str] | None = None) -> None:
    """Run the chosen sections, print their table and write it as JSON.

    Args:
        args: The command's arguments; those of the process where None.

    Raises:
        UserError: If the device is not there, the rounds are not positive or a plot
            has no growth to show or an unknown format.
    """
    options = parse_args(args)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no CUDA device, choose cpu")
    if options.rounds < 1:
        raise UserError(f"--rounds {options.rounds} must be positive")
    if options.plot is not None:
        check_suffix(options.plot, "--plot")
        if "growth" not in options.only:
            raise UserError(
                f"--plot {options.plot} shows the section growth, which --only leaves "
                "out: add it"
            )
    torch.set_num_threads(1)
    settings = Settings(options.device, options.rounds, options.quick)
    facts = machine(settings)
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    rows: list[Row] = []
    for name in options.only:
        rows += SECTIONS[name](settings)
    print(format_table(rows, judge=not options.quick))
    if options.json is not None:
        write_json(options.json, rows, settings)
        print(f"written: {options.json}")
    if options.plot is not None:
        save_figure(draw_growth(rows), options.plot)
        print(f"written: {options.plot}")


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed arguments of the command line."""
    parser = tool_parser("benchmark", __doc__, EPILOG)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default=default)
    parser.add_argument(
        "--rounds", type=int, default=5, help="interleaved rounds (default: 5)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, no bound is judged"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--plot", type=Path, help="draw time against size here: .png, .pdf or .svg"
    )
    return parser.parse_args(args)


if __name__ == "__main__":
    run_tool(main)
