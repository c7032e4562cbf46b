"""Shares of matches by class, as rows for JSON and as a table for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prettytable import PrettyTable

from mmseg_cosda.models.matching import MatchSums, match_shares

COLUMNS = {
    "pixels": "pixels",
    "selected": "pairs selected, %",
    "pulled": "pixels pulled, %",
    "similarity": "mean M",
    "match_precision": "match precision, %",
    "assignment_accuracy": "assignment accuracy, %",
}


def share_rows(sums: MatchSums) -> list[dict[str, float | None]]:
    """Return the figures of each class and, as the last entry, overall.

    Args:
        sums: Pooled over some images.

    Returns:
        Of each: ``pixels``, ``pairs`` and the shares of
        :func:`mmseg_cosda.models.matching.match_shares`, ``pulled`` of all pixels;
        None where nothing was counted.
    """
    counts = {key: getattr(sums, key).tolist() for key in ("pixels", "pairs")}
    shares = {key: share.tolist() for key, share in match_shares(sums).items()}
    rows: list[dict[str, float | None]] = []
    for c in range(len(sums.pixels) + 1):
        row: dict[str, float | None] = {
            key: int([*each, sum(each)][c]) for key, each in counts.items()
        }
        for key, share in shares.items():
            row[key] = share[c] if math.isfinite(share[c]) else None
        rows.append(row)
    return rows


def share_table(
    rows: Sequence[dict[str, float | None]],
    classes: Sequence[str],
    features: Sequence[int],
) -> str:
    """Write the figures for people.

    Args:
        rows: Of :func:`share_rows`.
        classes: Names.
        features: Source features of each class.

    Returns:
        A table; without ground truth, it lacks what needs one.
    """
    keys = [key for key in COLUMNS if any(row[key] is not None for row in rows)]
    table = PrettyTable(["class", "source features", *(COLUMNS[key] for key in keys)])
    table.align = "r"
    table.align["class"] = "l"
    names, sizes = [*classes, "all"], [*features, sum(features)]
    for name, size, row in zip(names, sizes, rows, strict=True):
        table.add_row([name, size, *(_cell(key, row[key]) for key in keys)])
    return str(table)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key == "pixels":
        return f"{value:.0f}"
    return f"{value:.3f}" if key == "similarity" else f"{100 * value:.1f}"
