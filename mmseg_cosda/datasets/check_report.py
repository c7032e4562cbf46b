"""A dataset check as a table, as JSON and as a list of files to exclude."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prettytable import PrettyTable

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.check import DatasetCheck
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.files import atomic_write


def class_shares(report: DatasetCheck) -> dict[str, dict[str, float]]:
    """Return how often each class occurs.

    Args:
        report: What was found in a dataset.

    Returns:
        Class name (and ``"ignored"``) -> its pixels, its share of all pixels, and
        the images that hold it; empty for an unlabelled dataset.
    """
    total = int(report.pixels.sum())
    if not total:
        return {}
    rows = [*enumerate(report.classes), (IGNORE_INDEX, "ignored")]
    return {
        name: {
            "pixels": int(report.pixels[label]),
            "share": int(report.pixels[label]) / total,
            "images": int(report.images_with[label]),
        }
        for label, name in rows
    }


def as_text(report: DatasetCheck, show: int = 10) -> str:
    """Return a report for people.

    Args:
        report: What was found in a dataset.
        show: How many problems are named.

    Returns:
        Some lines: sizes, class frequencies, problems.
    """
    sizes = ", ".join(
        f"{width}x{height}: {n}"
        for (width, height), n in report.image_sizes.most_common(5)
    )
    images = f": {report.num_images} images" if report.num_images else ""
    lines = [f"{report.key} ({report.type}){images}", sizes]
    shares = class_shares(report)
    if shares:
        table = PrettyTable(["class", "pixels, %", "images"])
        table.align.update({"class": "l", "pixels, %": "r", "images": "r"})
        for name, row in shares.items():
            table.add_row([name, f"{100 * row['share']:.3f}", f"{row['images']:.0f}"])
        lines.append(str(table))
    kinds = Counter(problem.kind for problem in report.problems)
    for kind, count in kinds.items():
        lines.append(f"{count} {kind}:")
        details = [p.detail for p in report.problems if p.kind == kind]
        lines += [f"  {detail}" for detail in details[:show]]
        if count > show:
            lines.append(f"  ... and {count - show} more")
    lines.append("something is wrong" if report.problems else "nothing is wrong")
    return "\n".join(line for line in lines if line)


def as_json(reports: Iterable[DatasetCheck]) -> dict[str, Any]:
    """Return reports as plain data.

    Args:
        reports: What was found in a config's datasets.

    Returns:
        ``ok`` and, by config key, ``datasets``.
    """
    reports = list(reports)
    return {
        "ok": not any(report.problems for report in reports),
        "datasets": {
            report.key: {
                "type": report.type,
                "images": report.num_images,
                "image_sizes": {
                    f"{width}x{height}": n
                    for (width, height), n in report.image_sizes.most_common()
                },
                "classes": class_shares(report),
                "problems": [vars(problem) for problem in report.problems],
            }
            for report in reports
        },
    }


def write_json(path: str | Path, reports: Sequence[DatasetCheck]) -> None:
    """Write reports as JSON.

    Args:
        path: The file.
        reports: What was found in a config's datasets.
    """
    with atomic_write(path) as file:
        file.write((json.dumps(as_json(reports), indent=2) + "\n").encode())


def write_bad_files(path: str | Path, reports: Sequence[DatasetCheck]) -> int:
    """Write the list of files for a dataset's ``exclude``.

    What the config excludes already stays in the list.

    Args:
        path: The file; not written if nothing is bad.
        reports: What was found in a config's datasets.

    Returns:
        How many bad files were found.
    """
    reasons: dict[str, str] = {}
    for report in reports:
        for problem in report.problems:
            if problem.name is not None:
                reasons.setdefault(problem.name, problem.kind)
    if reasons:
        excluded = frozenset[str]().union(*(report.excluded for report in reports))
        rows = {**dict.fromkeys(excluded, "excluded before"), **reasons}
        tool = command("check_dataset")
        lines = [f"# For a dataset's `exclude`; written by {tool}"]
        lines += [f"{name}  # {reason}" for name, reason in sorted(rows.items())]
        with atomic_write(path) as file:
            file.write(("\n".join(lines) + "\n").encode())
    return len(reasons)
