"""Curves over iterations: a line per method, a band over seeds, a panel per class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import EngFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from mmseg_cosda.visualization.bands import Band
from mmseg_cosda.visualization.files import COLORS, COLUMN, PAGE

LINES = ("-", "--", ":")
MARKERS = "os^Dv<>"
MARKED = 30
"""A line with more points has no markers."""
APART = 8.0
"""Points between the marks of runs that have a single evaluation, at one iteration."""
ROUND = (1, 2, 2.5, 5, 10)
"""Steps between ticks, times a power of ten."""
EVALUATIONS = {"aAcc": "pixel accuracy", "mAcc": "mean class accuracy"}
UNITS = {
    "time": "time per iteration (s)",
    "lr": "learning rate",
    "memory": "memory (MiB)",
    "grad_norm": "gradient norm",
}
SHARES = (
    "selected",
    "queue_fill",
    "coverage",
    "match_precision",
    "assignment_accuracy",
    "pulled",
)
SIMILARITIES = ("similarity", "within", "between")


def axis_label(key: str, evaluated: bool) -> str:
    """Name a metric with its unit.

    Args:
        key: As it is logged.
        evaluated: Whether it was measured on validation.

    Examples:
        >>> axis_label("mIoU13", True), axis_label("cosine.selected", False)
        ('mIoU13 on validation (%)', 'cosine.selected (share)')
    """
    if evaluated:
        return f"{EVALUATIONS.get(key, key)} on validation (%)"
    if "acc_seg" in key:
        return f"{key} (%)"
    parts = key.replace("/", ".").split(".")
    if any(part.startswith(SHARES) for part in parts):
        return f"{key} (share)"
    if any(part in SIMILARITIES for part in parts):
        return f"{key} (cosine similarity)"
    return UNITS.get(key, key)


def draw_curves(
    panels: Mapping[str, Sequence[Band]], ylabel: str, width: float | None = None
) -> Figure:
    """Draw one panel, or small multiples.

    Args:
        panels: Title -> the bands; a label has one color, marker and line style in
            all panels.
        ylabel: Label of the y axis, with its unit.
        width: Of the figure, inches; default: a paper's column for one panel, both
            columns for several.

    Returns:
        The figure, its legend below the panels.
    """
    single = len(panels) == 1
    width = width or (COLUMN if single else PAGE)
    columns = min(len(panels), max(1, round(width / 1.8)))
    rows = math.ceil(len(panels) / columns)
    labels = list(
        dict.fromkeys(band.label for bands in panels.values() for band in bands)
    )
    several = any(band.runs > 1 for bands in panels.values() for band in bands)
    per_line = _legend_columns(width, labels)
    legend = 0.16 * (math.ceil(len(labels) / per_line) + several) + 0.12
    above = 0.62 * width if single else 1.3 * rows + 0.3
    figure = Figure(figsize=(width, above + legend), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(above, legend))
    upper, lower = parts
    axes = upper.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axis, (title, bands) in zip(axes, panels.items(), strict=False):
        points = all(len(band.steps) == 1 for band in bands)
        for band in bands:
            index = labels.index(band.label)
            shift = APART * (index - (len(labels) - 1) / 2) if points else 0.0
            _draw_band(axis, band, index, shift)
        _dress(axis, bands, "" if single else title, ylabel.endswith("(%)"))
    _remove(axes[len(panels) :], columns, axes)
    upper.supxlabel("iteration", fontsize=8)
    upper.supylabel(ylabel, fontsize=8)
    _add_legend(lower, axes[: len(panels)], labels, per_line, several)
    return figure


def _draw_band(axis: Axes, band: Band, index: int, shift: float) -> None:
    color = COLORS[index % len(COLORS)]
    style: dict[str, Any] = {
        "label": band.label + (f" (n = {band.runs})" if band.runs > 1 else ""),
        "color": color,
        "linestyle": LINES[index // len(COLORS) % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)] if len(band.steps) <= MARKED else "",
        "markersize": 3.2,
        "linewidth": 1.2,
    }
    if len(band.steps) == 1:  # no band can be seen at one iteration: a bar
        inches = axis.figure.dpi_scale_trans
        bar = axis.errorbar(
            band.steps, band.mean, band.deviation, **{**style, "capsize": 2}
        )
        for part in bar.get_children():  # after the limits have seen the data
            part.set_transform(
                axis.transData + ScaledTranslation(shift / 72, 0, inches)
            )
        return
    axis.plot(band.steps, band.mean, **style)
    if band.deviation is not None:
        low, high = band.mean - band.deviation, band.mean + band.deviation
        axis.fill_between(band.steps, low, high, color=color, alpha=0.18, linewidth=0)


def _dress(axis: Axes, bands: Sequence[Band], title: str, percent: bool) -> None:
    axis.set_title(title, fontsize=8, pad=3)
    axis.tick_params(labelsize=7, length=2)
    ticks = 4 if title else 6
    steps = {step for band in bands for step in band.steps}
    if len(steps) == 1:
        axis.set_xticks(list(steps))
    else:
        axis.xaxis.set_major_locator(MaxNLocator(ticks, steps=ROUND))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.yaxis.set_major_locator(MaxNLocator(ticks, steps=ROUND))
    low, high = axis.get_ylim()
    if percent:  # a class that is never found is a line at zero, not noise
        high = max(high, low + 1)
        axis.set_ylim(max(low, -0.04 * (high - low)), high)
    axis.grid(color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _remove(unused: Sequence[Axes], columns: int, axes: Sequence[Axes]) -> None:
    """Remove the axes that no panel needs; those above them get their x labels."""
    end = len(axes) - len(unused)
    for axis in axes[max(0, end - columns) : end]:
        axis.tick_params(labelbottom=True)
    for axis in unused:
        axis.remove()


def _legend_columns(width: float, labels: Sequence[str]) -> int:
    """Return how many entries of 7 points fit beside each other."""
    entry = 0.45 + 0.058 * max(len(label) + len(" (n = 3)") for label in labels)
    lines = math.ceil(len(labels) / max(1, int(width / entry)))
    return math.ceil(len(labels) / lines)


def _add_legend(
    figure: SubFigure,
    axes: Sequence[Axes],
    labels: Sequence[str],
    columns: int,
    several: bool,
) -> None:
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, text in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(text, handle)
    texts = sorted(entries, key=lambda text: labels.index(text.split(" (n = ")[0]))
    figure.legend(
        [entries[text] for text in texts],
        texts,
        loc="upper center",
        borderaxespad=0,
        ncols=columns,
        fontsize=7,
        frameon=False,
        columnspacing=1.2,
        title="mean ± standard deviation over n runs" if several else None,
        title_fontsize=7,
    )
