"""Every row's gain over its baseline: a dot per seed, and what they can tell."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmseg_cosda.reproduce.gains import beyond_noise, half_width
from mmseg_cosda.visualization.files import COLORS, PAGE

UP, DOWN, NOISE = COLORS[2], COLORS[1], "0.45"


def draw_gains(
    panels: Mapping[str, Mapping[str, Sequence[float]]], metric: str
) -> Figure:
    """Draw a panel per baseline, one below the other, a line per row.

    Args:
        panels: What the gains are over -> row -> its gains, one per seed (see
            :func:`mmseg_cosda.reproduce.gains.paired_gains`). A row without any is
            left out.
        metric: Such as "mIoU".

    Returns:
        The figure: dots are seeds, the bar is the 95 % interval of their mean, in
        color where zero is outside of it.
    """
    filled = {
        title: {name: gains for name, gains in rows.items() if gains}
        for title, rows in panels.items()
    }
    filled = {title: rows for title, rows in filled.items() if rows}
    sizes = [len(rows) for rows in filled.values()]
    height = 0.6 + sum(0.35 + 0.18 * size for size in sizes)
    figure = Figure(figsize=(PAGE, height), layout="constrained")
    if not filled:
        return figure
    axes = figure.subplots(
        len(filled),
        1,
        squeeze=False,
        sharex=True,
        height_ratios=[size + 0.6 for size in sizes],
    )[:, 0]
    for ax, (title, rows) in zip(axes, filled.items(), strict=True):
        _draw_panel(ax, title, rows)
    dots = [
        gain for rows in filled.values() for gains in rows.values() for gain in gains
    ]
    low, high = min(*dots, 0.0), max(*dots, 0.0)
    margin = 0.08 * (high - low or 1.0)
    # Two seeds' intervals are 13 standard errors wide: the seeds set the limits.
    axes[0].set_xlim(low - margin, high + margin)
    figure.supxlabel(
        f"{metric}, points at the last iteration; dots: seeds, bar: 95 % interval of "
        "their mean",
        fontsize=7,
    )
    return figure


def _draw_panel(ax: Axes, title: str, rows: Mapping[str, Sequence[float]]) -> None:
    ax.axvline(0.0, color="0.7", linewidth=0.8, zorder=0)
    for place, gains in enumerate(rows.values()):
        mean = statistics.fmean(gains)
        color = (UP if mean > 0 else DOWN) if beyond_noise(gains) else NOISE
        error = half_width(gains) if len(gains) > 1 else 0.0
        ax.errorbar(
            mean,
            place,
            xerr=error or None,
            fmt="|",
            color=color,
            markersize=9,
            markeredgewidth=1.6,
            linewidth=1.2,
        )
        ax.plot(gains, [place] * len(gains), "o", color=color, mfc="white", ms=3.2)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=7)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=7)
    ax.set_title(f"above {title}", fontsize=8, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
