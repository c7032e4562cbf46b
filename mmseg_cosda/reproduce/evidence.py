"""Tables that say what each method gains, and how much of the gap it closes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.evidence_parts import class_lines, feature_lines
from mmseg_cosda.reproduce.gains import paired_gains
from mmseg_cosda.reproduce.settings import STAGED, Setting, TableRow
from mmseg_cosda.reproduce.table import (
    NO_FIGURE,
    Results,
    column,
    interval,
    spread,
)

UPPER = "target-supervised"
OTHER_STREETS = "other-streets-labels"
SOURCE_ONLY = ("source-only", "source-only-continued")


def lower_bound(setting: Setting) -> str:
    """Return the row that gains are taken to: source-only of the same length.

    Examples:
        >>> lower_bound(Setting("demo")), lower_bound(Setting("torcs2camvid"))
        ('source-only', 'source-only-continued')
    """
    return SOURCE_ONLY[setting.task in STAGED]


def upper_bounds(setting: Setting) -> tuple[str, ...]:
    """Return the rows that are trained on the target's ground truth.

    On torcs2camvid the first has seen validation's own street, the second, which goes
    on from source-only like a method, has not.

    Examples:
        >>> upper_bounds(Setting("demo"))
        ('target-supervised',)
    """
    return (UPPER, OTHER_STREETS) if setting.task in STAGED else (UPPER,)


def gap_closed(
    values: Mapping[int, float], lower: Mapping[int, float], upper: Mapping[int, float]
) -> float | None:
    r"""Return the share of the gap to the supervised upper bound that a method closes.

    .. math:: \frac{\overline{m_s - l_s}}{\overline{u_s - l_s}}

    Args:
        values: m, the method's metric by seed.
        lower: l, source-only's.
        upper: u, that of training on the target's ground truth.

    Returns:
        The share, means taken over the seeds that both have; None where there are none.

    Examples:
        >>> gap_closed({0: 3.0, 1: 4.0}, {0: 2.0, 1: 2.0}, {0: 5.0, 1: 5.0})
        0.5
    """
    gains = [values[s] - lower[s] for s in set(values) & set(lower)]
    gaps = [upper[s] - lower[s] for s in set(upper) & set(lower)]
    if not gains or not gaps or statistics.fmean(gaps) == 0:
        return None
    return statistics.fmean(gains) / statistics.fmean(gaps)


def late_mean(result: Mapping[str, Any], metric: str) -> float | None:
    """Return the mean of the last third of a run's evaluations.

    A single evaluation of a short run swings by points; this one swings less.

    Args:
        result: What its result file holds.
        metric: Such as "mIoU".

    Returns:
        The mean of the last third, rounded up, of the values; None without a curve.

    Examples:
        >>> late_mean({"curve": {"mIoU": [1.0, 2.0, 3.0, 5.0]}}, "mIoU")
        4.0
    """
    curve = result.get("curve") or {}
    values = [value for value in curve.get(metric) or () if value is not None]
    late = values[-math.ceil(len(values) / 3) :]
    return statistics.fmean(late) if late else None


def late_column(results: Results, row: str, metric: str) -> dict[int, float]:
    """Return a row's :func:`late_mean` by seed."""
    found = {s: late_mean(r, metric) for s, r in results.get(row, {}).items()}
    return {seed: value for seed, value in found.items() if value is not None}


def gains_by_baseline(
    setting: Setting, rows: Sequence[TableRow], results: Results
) -> dict[str, dict[str, list[float]]]:
    """Return what each row gains at the last iteration, seed by seed.

    Args:
        setting: Task and network.
        rows: The rows, in the table's order.
        results: What the result files hold, by row and seed.

    Returns:
        Baseline -> title of a row -> its gains: over source-only, and over the row
        that it adds something to. Source-only and the supervised upper bounds, far
        above all, are left out.
    """
    lower = lower_bound(setting)
    panels: dict[str, dict[str, list[float]]] = {lower: {}}
    for row in rows:
        if row.name in (*SOURCE_ONLY, *upper_bounds(setting)):
            continue
        for name in [lower, *([row.added_to] if row.added_to else [])]:
            base, mine = (
                column(results, each, "last", setting.metric)
                for each in (name, row.name)
            )
            panels.setdefault(name, {})[row.title] = paired_gains(mine, base)
    return panels


def write_evidence(
    setting: Setting,
    rows: Sequence[TableRow],
    results: Results,
    table: str = "evidence",
) -> str:
    """Write all rows of a task with their gains over source-only and over their base.

    Args:
        setting: Task and network.
        rows: The rows, in the table's order.
        results: What the result files hold, by row and seed.
        table: Its name, "evidence" or "methods".

    Returns:
        Markdown.
    """
    metric, lowest = setting.metric, lower_bound(setting)
    bounds = upper_bounds(setting)
    headings = (
        "method",
        "best",
        "last",
        "mean of the last third",
        f"last, above `{lowest}`",
        *(f"gap closed to `{name}`" for name in bounds),
        "last, above the row that it adds to",
        "seeds",
    )
    lines = [
        f"# {table.capitalize()}: {setting.name}, {metric} on the target's validation "
        "images",
        "",
        f"| {' | '.join(headings)} |",
        "|" + "---|" * len(headings),
    ]
    lower, *uppers = (
        column(results, name, "last", metric) for name in (lowest, *bounds)
    )
    for row in rows:
        mine = column(results, row.name, "last", metric)
        is_lower = row.name == lowest
        shares = [
            None if is_lower else gap_closed(mine, lower, upper) for upper in uppers
        ]
        cells = [
            f"{row.title} (`{row.name}`)",
            spread(list(column(results, row.name, "best", metric).values())),
            spread(list(mine.values())),
            spread(list(late_column(results, row.name, metric).values())),
            NO_FIGURE if is_lower else interval(mine, lower),
            *(NO_FIGURE if s is None else f"{100 * s:.0f} %" for s in shares),
            _above_base(row, results, metric),
            " ".join(map(str, sorted(mine))) or NO_FIGURE,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Mean ± standard deviation over seeds. Differences are paired by seed: their "
        "mean and, in brackets, its 95 % interval (Student's t: with three seeds 4.3 "
        "standard errors to either side, with five 2.8), bold where zero is outside. "
        "Gap closed: of the way from source-only to training on the target's ground "
        "truth, both at the last iteration. The last third is that of the evaluations.",
    ]
    parts = {
        "IoU by class, last iteration": class_lines(rows, results),
        "Features on labelled target images, last iteration": feature_lines(
            rows, results
        ),
    }
    for heading, part in parts.items():
        if part:
            lines += ["", f"## {heading}, mean over the seeds", "", *part]
    return "\n".join(lines) + "\n"


def _above_base(row: TableRow, results: Results, metric: str) -> str:
    """Write what a row has above the one that it adds something to."""
    below = row.added_to
    if below is None:
        return NO_FIGURE
    mine, base = (column(results, each, "last", metric) for each in (row.name, below))
    text = interval(mine, base)
    return text if text == NO_FIGURE else f"{text} over `{below}`"
