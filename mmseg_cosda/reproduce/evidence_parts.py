"""What stands below the table of every method: IoU by class, and the features."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.settings import TableRow
from mmseg_cosda.reproduce.table import NO_FIGURE, Results
from mmseg_cosda.work_dir import current_name

_FEATURES = {
    "similarity within a class": "diagnosis/within",
    "between classes": "diagnosis/between",
    "pairs selected, %": "selected",
    "match precision, %": "match_precision",
    "assignment accuracy, %": "assignment_accuracy",
}


def class_lines(rows: Sequence[TableRow], results: Results) -> list[str]:
    """Write the IoU of each class at the last iteration, mean over the seeds.

    Args:
        rows: The rows, in the table's order; those without results are left out.
        results: What the result files hold, by row and seed.

    Returns:
        Lines of Markdown, none without results.
    """
    found = {row.name: _runs(results, row.name, "last") for row in rows}
    named = (run.get("per_class", {}) for runs in found.values() for run in runs)
    classes = list(dict.fromkeys(name for run in named for name in run))
    if not classes:
        return []
    lines = _heading(["row", *classes, "pixel accuracy"])
    for name, runs in found.items():
        if runs:
            values = [
                *(
                    [run.get("per_class", {}).get(key) for run in runs]
                    for key in classes
                ),
                [run.get("aAcc") for run in runs],
            ]
            lines.append(_line(name, [_mean(column, ".1f") for column in values]))
    return lines


def feature_lines(rows: Sequence[TableRow], results: Results) -> list[str]:
    """Write what the diagnosis saw at the last iteration, mean over the seeds.

    Args:
        rows: The rows, in the table's order; those without a diagnosis are left out.
        results: What the result files hold, by row and seed.

    Returns:
        Lines of Markdown, none without any diagnosis. With several taps the figures
        of pairs are means over them.
    """
    lines = []
    for row in rows:
        runs = [run for run in _runs(results, row.name, "diagnosis") if run]
        if runs:
            cells = [_feature(runs, key) for key in _FEATURES.values()]
            lines.append(_line(row.name, cells))
    return _heading(["row", *_FEATURES]) + lines if lines else []


def _runs(results: Results, row: str, part: str) -> list[Mapping[str, Any]]:
    return [
        result.get(part) or {} for _, result in sorted(results.get(row, {}).items())
    ]


def _feature(runs: Sequence[Mapping[str, Any]], name: str) -> str:
    if "/" in name:
        return _mean([run[name][-1] for run in runs if name in run], ".3f")
    values = [
        100 * series[-1]
        for run in runs
        for key, series in run.items()
        if key.count("/") == 2
        and current_name(key).endswith(f"/{name}")
        and series[-1] is not None
    ]
    return _mean(values, ".1f")


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return format(statistics.fmean(known), form) if known else NO_FIGURE


def _heading(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def _line(row: str, cells: Sequence[str]) -> str:
    return f"| `{row}` | {' | '.join(cells)} |"
