"""What a training left in its work folder, across kills and resumes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from mmseg_cosda.checkpoint.newest import newest_whole
from mmseg_cosda.files import atomic_write

Curve = dict[int, dict[str, float]]
CLASS_PREFIX = "IoU."
"""Leads the names of metrics of one class."""
LAST_EVALUATION = "last_evaluation"
"""Holds iteration and metrics of the last evaluation that was carried to its end."""
THINNED = 50
FORMER_NAMES = {"purity": "match_precision", "split": "assignment_accuracy"}
"""What earlier versions logged a diagnosis as."""


def read_lines(work_dir: Path) -> list[dict[str, Any]]:
    """Read what a training logged, oldest first.

    Args:
        work_dir: Its work folder; each start has left a folder of its own there.

    Returns:
        The lines of all ``vis_data/scalars.json``, without one that a kill cut off.
    """
    lines = []
    for path in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if isinstance(line, dict):
                lines.append(line)
    return lines


def read_curve(work_dir: Path) -> Curve:
    """Read the evaluations of a training, by iteration.

    Args:
        work_dir: Its work folder.

    Returns:
        The metrics at each evaluated iteration, in order; where a resumed training
        came by an iteration again, the later ones. Evaluations that a kill lost and
        that were re-run (``evaluated/iter_N``) count as well.
    """
    curve: Curve = {}
    for path in sorted(work_dir.glob("evaluated/iter_*/*/*.json")):
        step = int(path.parents[1].name.removeprefix("iter_"))
        curve[step] = numbers(json.loads(path.read_text()))
    for line in read_lines(work_dir):
        if "mIoU" in line and "step" in line:
            curve[int(line["step"])] = numbers(line)
    return dict(sorted(curve.items()))


def read_training(work_dir: Path) -> dict[str, Any]:
    """Read losses and diagnostics, thinned to some 50 points.

    Args:
        work_dir: Work folder of a training.

    Returns:
        ``step`` and one list per logged key, None where it was not logged; empty if
        nothing was.
    """
    points: Curve = {}
    for line in read_lines(work_dir):
        if "loss" in line and "step" in line:
            points[int(line["step"])] = numbers(line)
    steps = sorted(points)
    steps = steps[:: max(1, math.ceil(len(steps) / THINNED))]
    keys = sorted({key for step in steps for key in points[step]})
    columns = {key: [points[step].get(key) for step in steps] for key in keys}
    return {"step": steps, **columns} if steps else {}


def read_diagnosis(work_dir: Path) -> dict[str, Any]:
    """Read the diagnoses and the alignments' reports: names with a slash.

    Args:
        work_dir: Work folder of a training.

    Returns:
        ``step`` and one list per key, None where it was not logged or is not a number;
        empty if nothing was.
    """
    points: Curve = {}
    for line in read_lines(work_dir):
        found = {k: v for k, v in numbers(line).items() if "/" in k}
        if found and "step" in line:
            points.setdefault(int(line["step"]), {}).update(found)
    steps = sorted(points)
    keys = sorted({key for step in steps for key in points[step]})
    columns = {key: [_rounded(points[step].get(key)) for step in steps] for key in keys}
    return {"step": steps, **columns} if steps else {}


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 5)


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a logged line, without its iteration and estimates of time.

    Examples:
        >>> numbers({"loss": 1, "step": 10, "iter": 10, "mode": "train"})
        {'loss': 1.0}
    """
    skip = ("step", "iter", "epoch", "eta", "data_time")
    return {
        current_name(key): float(value)
        for key, value in line.items()
        if isinstance(value, (int, float)) and key not in skip
    }


def current_name(key: str) -> str:
    """Return the name that a figure is logged under today.

    Args:
        key: Of a log or of a result file, perhaps of an earlier version.

    Examples:
        >>> current_name("diagnosis/cosine.layer4/purity/car")
        'diagnosis/cosine.layer4/match_precision/car'
    """
    parts = key.split("/")
    if parts[0] == "diagnosis" and len(parts) > 2:
        parts[2] = FORMER_NAMES.get(parts[2], parts[2])
    return "/".join(parts)


def missing_evaluation(
    work_dir: Path, curve: Mapping[int, Any], interval: int, max_iters: int
) -> int | None:
    """Find the evaluation that a kill took from a training.

    A checkpoint is written before its evaluation, and a resumed training goes on
    behind the checkpoint: killed in between, that evaluation is never made.

    Args:
        work_dir: Work folder of a training.
        curve: Its evaluations.
        interval: Iterations from one evaluation to the next.
        max_iters: Its last iteration.

    Returns:
        The iteration of the last checkpoint, if it should have been evaluated and
        was not; else None.
    """
    step = last_checkpoint(work_dir)
    if step is None or step in curve:
        return None
    return step if step % interval == 0 or step == max_iters else None


def last_checkpoint(work_dir: Path) -> int | None:
    """Return the iteration that a training would be resumed from.

    Args:
        work_dir: Its work folder.

    Returns:
        The iteration of the newest whole checkpoint, None if there is none.
    """
    return newest_whole(work_dir).iteration


def was_evaluated(work_dir: Path, step: int) -> bool:
    """Return whether an iteration's evaluation was carried to its end.

    That is noted behind it, when the best checkpoint is written too; in a folder of an
    earlier version, which has no note, what was logged counts.

    Args:
        work_dir: Work folder of a training.
        step: The iteration that it goes on from.
    """
    noted = read_last_evaluation(work_dir)
    return step in read_curve(work_dir) if noted is None else noted[0] == step


def read_last_evaluation(work_dir: Path) -> tuple[int, dict[str, float]] | None:
    """Return which evaluation was carried to its end, and what it found.

    Args:
        work_dir: Work folder of a training.

    Returns:
        Its iteration, 0 for none, and its metrics; None without a note.
    """
    try:
        noted = json.loads((work_dir / LAST_EVALUATION).read_text())
        return int(noted["step"]), dict(noted["metrics"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write_last_evaluation(
    work_dir: Path, step: int, metrics: Mapping[str, Any] | None = None
) -> None:
    """Note which evaluation was carried to its end.

    Args:
        work_dir: Work folder of a training.
        step: Its iteration; 0 for none.
        metrics: What it found; what is no number is left out.
    """
    found = {k: float(v) for k, v in (metrics or {}).items() if isinstance(v, Real)}
    with atomic_write(work_dir / LAST_EVALUATION) as file:
        file.write(json.dumps({"step": step, "metrics": found}).encode())
