"""What was measured of a training, from its work folder or its result file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_cosda.commands import command
from mmseg_cosda.errors import UserError
from mmseg_cosda.work_dir import (
    CLASS_PREFIX,
    current_name,
    numbers,
    read_curve,
    read_lines,
)

Series = dict[int, float]
"""Value by iteration, ascending; what was not measured or is NaN is not there."""


@dataclass(frozen=True)
class History:
    """All series of a training.

    Args:
        path: The work folder or the result file.
        evaluations: By metric, such as "mIoU" and "IoU.car", on validation.
        training: By logged key: losses, an alignment's reports and diagnoses, also per
            class (``cosine/queue_fill_layer4/car``, ``diagnosis/within/car``).
    """

    path: Path
    evaluations: Mapping[str, Series]
    training: Mapping[str, Series]


def read_history(path: Path) -> History:
    """Read a work folder, across its resumes, or a result file.

    Args:
        path: Of a training, or of a result that ``tools/reproduce.py`` wrote.

    Raises:
        UserError: If it is neither.
    """
    return _read_work_dir(path) if path.is_dir() else _read_result(path)


def _read_work_dir(path: Path) -> History:
    evaluations: dict[str, Series] = {}
    for step, metrics in read_curve(path).items():
        _add(evaluations, step, metrics)
    evaluations.pop("time", None)
    training: dict[str, Series] = {}
    lines = [x for x in read_lines(path) if "step" in x and "mIoU" not in x]
    for line in sorted(lines, key=lambda line: int(line["step"])):  # stable
        _add(training, int(line["step"]), numbers(line))
    return History(path, evaluations, training)


def _add(series: dict[str, Series], step: int, values: Mapping[str, float]) -> None:
    for key, value in values.items():
        found = series.setdefault(key, {})
        if math.isnan(value):
            found.pop(step, None)
        else:
            found[step] = value


def _read_result(path: Path) -> History:
    try:
        content = json.loads(path.read_text())
        curve = _columns(content["curve"])
        training = _columns(content["training"])
        diagnosis = _columns(content.get("diagnosis") or {})
        training.update({current_name(k): series for k, series in diagnosis.items()})
        steps = content["curve"]["step"]
        per_class = content.get("curve_per_class")
        if per_class is None:  # a file of before there were any
            per_class = _from_evaluations(content, steps)
        classes = _columns({"step": steps, **per_class})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no result file of `{command('reproduce')}` "
            f"({type(error).__name__}: {error})"
        ) from error
    prefixed = {f"{CLASS_PREFIX}{name}": series for name, series in classes.items()}
    return History(path, {**curve, **prefixed}, training)


def _columns(table: Mapping[str, Sequence[Any]]) -> dict[str, Series]:
    """Turn lists over ``step``, with None in them, into series."""
    if not table:
        return {}
    return {
        key: {
            int(step): float(value)
            for step, value in zip(table["step"], column, strict=True)
            if value is not None
        }
        for key, column in table.items()
        if key != "step"
    }


def _from_evaluations(
    content: Mapping[str, Any], steps: Sequence[int]
) -> dict[str, list[float | None]]:
    """Return the per-class curve if last and best are all that was evaluated."""
    known = {content[which]["step"]: content[which] for which in ("best", "last")}
    if set(steps) - set(known):
        return {}
    names = content["last"]["per_class"]
    return {
        name: [known[step]["per_class"].get(name) for step in steps] for name in names
    }


def class_names(histories: Iterable[History]) -> list[str]:
    """Return the classes that were evaluated, in the datasets' order."""
    keys = [key for history in histories for key in history.evaluations]
    return list(
        dict.fromkeys(
            key.removeprefix(CLASS_PREFIX)
            for key in keys
            if key.startswith(CLASS_PREFIX)
        )
    )


def is_evaluation(histories: Sequence[History], key: str) -> bool:
    """Return whether a metric was measured on validation, not logged in training.

    Args:
        histories: All that is drawn.
        key: A metric that at least one of them must have.

    Raises:
        UserError: If none has it: it names what there is, and a folder that was not
            evaluated or a file without curves per class where that is the reason.
    """
    if any(key in history.evaluations for history in histories):
        _require_evaluations(histories, key)
        return True
    if any(key in history.training for history in histories):
        return False
    if key.startswith(CLASS_PREFIX) or not any(h.evaluations for h in histories):
        _require_evaluations(histories, key)
    if key.startswith(CLASS_PREFIX):
        known = class_names(histories)
        name = key.removeprefix(CLASS_PREFIX)
        raise UserError(f"--classes {name}: the classes are {', '.join(known)}")
    raise UserError(f"--metric {key}: there is no such metric; {_known(histories)}")


def _require_evaluations(histories: Sequence[History], key: str) -> None:
    for history in histories:
        if not history.evaluations:
            raise UserError(
                f"{history.path} holds no evaluation: its training has not reached "
                "the first yet (train_cfg.val_interval); leave it out, or choose a "
                f"--metric of training ({', '.join(history.training) or 'none yet'})"
            )
        if key.startswith(CLASS_PREFIX) and not class_names([history]):
            raise UserError(
                f"{history.path} holds no curve per class: it is of an older version; "
                "give its work folder instead, or remove it and start the same "
                f"`{command('reproduce')}`, which writes it anew from there"
            )


def _known(histories: Sequence[History]) -> str:
    classes = set(class_names(histories))

    def listed(keys: Iterable[str]) -> str:
        shown = []
        for key in keys:
            prefix, sign, name = key.rpartition("/")
            shown.append(f"{prefix}/CLASS" if sign and name in classes else key)
        return ", ".join(dict.fromkeys(shown)) or "none"

    means = [key for h in histories for key in h.evaluations]
    means = [key for key in means if not key.startswith(CLASS_PREFIX)]
    logged = [key for h in histories for key in h.training]
    return (
        f"on validation there are {listed(means)}; logged in training {listed(logged)}"
    )
