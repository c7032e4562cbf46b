"""Draw a metric over the iterations of several runs, with a band over seeds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import mmseg_cosda  # noqa: F401  (checks the host)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.visualization.arguments import named_values
from mmseg_cosda.visualization.bands import Band, make_band
from mmseg_cosda.visualization.curves import axis_label, draw_curves
from mmseg_cosda.visualization.files import check_suffix, check_width, save_figure
from mmseg_cosda.visualization.groups import group_runs
from mmseg_cosda.visualization.histories import (
    History,
    class_names,
    is_evaluation,
    read_history,
)
from mmseg_cosda.work_dir import CLASS_PREFIX, current_name

EPILOG = """\
A run is a work folder of a training, however often it was resumed, or a result file
of tools/reproduce.py. Seeds of one method (ROW_seed0.json ..., or ROW/seed0 ...) are
one line: their mean, in a band of one standard deviation. A folder stands for the
result files or the seeds in it.

Example:
  python tools/plot_curves.py work_dirs/source_only/deeplabv2_demo \\
      work_dirs/cosda/deeplabv2_demo --out curves.png
  python tools/plot_curves.py results/torcs2camvid --classes all --out classes.pdf
  python tools/plot_curves.py --label "eq. 11=work/*/cosine-no-pl/seed*" \\
      --metric cosine.selected --out selected.png
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("plot_curves", __doc__, EPILOG)
    add = parser.add_argument
    add(
        "runs",
        nargs="*",
        type=Path,
        metavar="WORK_DIR",
        help="work folder, result file, or a folder of either",
    )
    add("--out", required=True, type=Path, help="the .png, .pdf or .svg to write")
    add(
        "--label",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=GLOB",
        help="all runs that fit the quoted pattern are one line of this name",
    )
    add(
        "--metric",
        help="mIoU (default), another metric of validation such as mIoU13, or any "
        "logged key such as cosine.selected; with --classes IoU (default) or a "
        "diagnostic per class such as cosine/queue_fill_layer4",
    )
    add(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help='one panel per class; "all" for every class',
    )
    add("--width", type=float, help="inches (a paper's column; both with --classes)")
    return parser.parse_args(args)


def metric_keys(
    metric: str | None, classes: Sequence[str] | None, histories: Sequence[History]
) -> dict[str, str]:
    """Return panel title -> key of what it shows."""
    if not classes:
        return {metric or "mIoU": metric or "mIoU"}
    names: Sequence[str] = list(dict.fromkeys(classes))
    if metric not in (None, "IoU", "mIoU"):
        prefix = f"{metric}/"
        logged = [key for history in histories for key in history.training]
        known = [k.removeprefix(prefix) for k in logged if k.startswith(prefix)]
        if not known:
            raise UserError(
                f"--classes with --metric {metric}: nothing is logged as "
                f"{metric}/CLASS; leave --metric out for the IoU"
            )
    else:
        prefix, known = CLASS_PREFIX, class_names(histories)
    if names == ["all"]:
        names = list(dict.fromkeys(known))
        if not names:  # tells why
            is_evaluation(histories, f"{CLASS_PREFIX}all")
    return {name: f"{prefix}{name}" for name in names}


def bands_of(
    groups: Mapping[str, Sequence[History]], key: str, evaluated: bool
) -> list[Band]:
    """Join the runs of each group; say which runs and points are left out."""
    field = "evaluations" if evaluated else "training"
    bands = []
    for label, histories in groups.items():
        found = [getattr(history, field).get(key) for history in histories]
        series = [one for one in found if one]
        if len(series) < len(found):
            lacking = f"{len(found) - len(series)} of {len(found)} runs"
            note(f"{label}: {lacking} have no {key}, left out")
        if not series:
            continue
        band = make_band(label, series, interpolate=not evaluated)
        if band.left_out:
            note(
                f"{label}: {band.left_out} evaluations of {key} are left out, which "
                f"not all {band.runs} runs have"
            )
        bands.append(band)
    if not bands:
        raise UserError(f"{key} was never measured: there is nothing to draw")
    return bands


def note(text: str) -> None:
    """Tell what is not in the picture."""
    print(f"note: {text}", file=sys.stderr)


def main(args: Sequence[str] | None = None) -> None:
    """Draw the curves and say where they are."""
    options = parse_args(args)
    check_suffix(options.out)
    check_width(options.width)
    if options.metric:
        options.metric = current_name(options.metric)
    if not (options.runs or options.label):
        raise UserError("give a WORK_DIR, a result file, or --label NAME=GLOB")
    labels = named_values(options.label, "--label", "GLOB")
    groups = {
        label: [read_history(path) for path in paths]
        for label, paths in group_runs(options.runs, labels).items()
    }
    histories = [history for runs in groups.values() for history in runs]
    keys = metric_keys(options.metric, options.classes, histories)
    panels, shown = {}, []
    for title, key in keys.items():
        evaluated = is_evaluation(histories, key)
        panels[title] = bands_of(groups, key, evaluated)
        name = "IoU" if key.startswith(CLASS_PREFIX) else options.metric or key
        shown.append(axis_label(name, evaluated))
    save_figure(draw_curves(panels, shown[0], options.width), options.out)
    lines = {band.label: band.runs for bands in panels.values() for band in bands}
    print(f"{len(lines)} lines of {sum(lines.values())} runs: {options.out}")


if __name__ == "__main__":
    run_tool(main)
