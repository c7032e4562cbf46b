"""What every row gains on each class: a colored field per row and class."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from mmseg_cosda.reproduce.evidence import lower_bound
from mmseg_cosda.reproduce.gains import paired_gains
from mmseg_cosda.reproduce.settings import Setting, TableRow
from mmseg_cosda.reproduce.table import Results
from mmseg_cosda.visualization.files import PAGE

FULL = 20.0
"""Points of IoU from which on a field has its full color."""
DARK = 0.6
"""Share of the full color from which on the figure in a field is white."""


def gains_by_class(
    setting: Setting, rows: Sequence[TableRow], results: Results
) -> dict[str, dict[str, float]]:
    """Return what each row gains on each class over source-only of the same length.

    Args:
        setting: Task and network.
        rows: The rows, in the table's order.
        results: What the result files hold, by row and seed.

    Returns:
        Title of a row -> class -> gain in IoU at the last iteration, points, paired by
        seed, mean over the seeds. Rows and classes without figures are left out.
    """
    lower = lower_bound(setting)
    base = _by_class(results, lower)
    found = {}
    for row in rows:
        mine = {} if row.name == lower else _by_class(results, row.name)
        gains = {
            name: paired_gains(values, base[name])
            for name, values in mine.items()
            if name in base
        }
        means = {name: statistics.fmean(each) for name, each in gains.items() if each}
        if means:
            found[row.title] = means
    return found


def draw_class_gains(gains: Mapping[str, Mapping[str, float]], lower: str) -> Figure:
    """Draw a field per row and class.

    Args:
        gains: Title of a row -> class -> gain (see :func:`gains_by_class`).
        lower: The row that gains are over.

    Returns:
        The figure: blue fields are gains, red ones losses, each with its figure; a row
        that lacks a class has an empty field there.
    """
    classes = list(dict.fromkeys(name for each in gains.values() for name in each))
    height = 1.3 + 0.2 * len(gains)
    figure = Figure(figsize=(PAGE, height), layout="constrained")
    if not classes:
        return figure
    ax = figure.subplots()
    table = [[each.get(name, math.nan) for name in classes] for each in gains.values()]
    ax.imshow(table, cmap="RdBu", vmin=-FULL, vmax=FULL, aspect="auto")
    for place, values in enumerate(table):
        for index, value in enumerate(values):
            if not math.isnan(value):
                color = "white" if abs(value) > DARK * FULL else "black"
                text = f"{round(value):+d}" if round(value) else "0"
                ax.text(
                    index,
                    place,
                    text,
                    ha="center",
                    va="center",
                    fontsize=6,
                    color=color,
                )
    ax.set_xticks(range(len(classes)), classes, fontsize=7, rotation=35, ha="right")
    ax.set_yticks(range(len(gains)), list(gains), fontsize=7)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figure.supxlabel(
        f"points of IoU above {lower} at the last iteration, mean over the seeds that "
        "both have",
        fontsize=7,
    )
    return figure


def _by_class(results: Results, row: str) -> dict[str, dict[int, float]]:
    """Return IoU by class, then by seed."""
    found: dict[str, dict[int, float]] = {}
    for seed, result in results.get(row, {}).items():
        for name, value in result["last"].get("per_class", {}).items():
            if value is not None:
                found.setdefault(name, {})[seed] = value
    return found
