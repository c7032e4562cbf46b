"""One table of every method: what it gains, and how much of the gap it closes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from mmseg_cosda.reproduce.evidence_parts import class_lines, feature_lines
from mmseg_cosda.reproduce.gains import paired_gains
from mmseg_cosda.reproduce.rows import Setting, TableRow
from mmseg_cosda.reproduce.table import (
    NO_FIGURE,
    Results,
    column,
    paired_difference,
    spread,
)

LOWER, UPPER, LABELS = "source-only", "target-supervised", "only-ssl"
HEADINGS = (
    "method",
    "best",
    "last",
    f"last, above `{LOWER}`",
    "gap closed",
    f"last, above `{LABELS}`",
    "seeds",
)


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


def gains_by_baseline(
    setting: Setting, rows: Sequence[TableRow], results: Results
) -> dict[str, dict[str, list[float]]]:
    """Return what each row gains at the last iteration, seed by seed.

    Args:
        setting: Task and network.
        rows: The rows, in the table's order.
        results: What the result files hold, by row and seed.

    Returns:
        Baseline -> title of a row -> its gains: source-only is that of rows without
        pseudo-labels, pseudo-labels alone that of the others. Baselines and the
        supervised upper bound, far above all, are left out.
    """
    panels: dict[str, dict[str, list[float]]] = {LOWER: {}, LABELS: {}}
    for row in rows:
        if row.name in (LOWER, UPPER, LABELS):
            continue
        name = LABELS if row.pseudo_labels else LOWER
        base, mine = (
            column(results, each, "last", setting.metric) for each in (name, row.name)
        )
        title = row.title.removesuffix(", eq. 11")
        panels[name][title] = paired_gains(mine, base)
    return panels


def write_evidence(setting: Setting, rows: Sequence[TableRow], results: Results) -> str:
    """Write all rows of a task with their gains over both baselines.

    Args:
        setting: Task and network.
        rows: The rows, in the table's order.
        results: What the result files hold, by row and seed.

    Returns:
        Markdown.
    """
    metric = setting.metric
    lines = [
        f"# Evidence: {setting.name}, {metric} on the target's validation images",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
    ]
    lower, upper, labels = (
        column(results, name, "last", metric) for name in (LOWER, UPPER, LABELS)
    )
    for row in rows:
        mine = column(results, row.name, "last", metric)
        share = gap_closed(mine, lower, upper)
        cells = [
            f"{row.title} (`{row.name}`)",
            spread(list(column(results, row.name, "best", metric).values())),
            spread(list(mine.values())),
            NO_FIGURE if row.name == LOWER else paired_difference(mine, lower),
            NO_FIGURE if share is None or row.name == LOWER else f"{100 * share:.0f} %",
            paired_difference(mine, labels)
            if row.pseudo_labels and row.name != LABELS
            else NO_FIGURE,
            " ".join(map(str, sorted(mine))) or NO_FIGURE,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Mean ± standard deviation over seeds; differences are paired by seed, mean ± "
        "standard error, bold where 95 % sure (Student's t: with three seeds from 4.3 "
        "standard errors on). Gap closed: of the way from source-only to training on "
        "the target's ground truth, both at the last iteration.",
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
