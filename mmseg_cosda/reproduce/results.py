"""Result files: small, whole or absent, and what a table is made from."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmengine
import torch

from mmseg_cosda.engine.run_record import (
    Start,
    code_name,
    comparable,
    package_state,
    read_record,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.work_dir import (
    CLASS_PREFIX,
    Curve,
    read_curve,
    read_diagnosis,
    read_training,
)

PUBLISHED_OF_A_START = ("iteration", "version", "commit", "clean")
"""What a result file says of each start of its training, beside what is compared."""
EVALUATIONS = ("last", "best")
NEEDED = ("task", "net", "row", "seed", "config", "options", "pseudo_labels", "metric")


def make_result(plan: Plan, run: Run) -> dict[str, Any]:
    """Collect a finished run.

    Args:
        plan: Where everything is.
        run: A run whose training is complete.

    Returns:
        What its result file holds.

    Raises:
        ValueError: If it was never evaluated.
    """
    folder = plan.work_dir(run)
    curve = read_curve(folder)
    if not curve:
        raise ValueError(f"{folder} holds no evaluation: did its training finish?")
    training = read_training(folder)
    starts = read_record(folder)
    seconds = [s for s in training.get("time", []) if s is not None]
    return {
        "task": plan.setting.name,
        "net": plan.setting.net,
        "row": run.row.name,
        "seed": run.seed,
        "config": run.row.config(plan.setting),
        "options": plan.own_options(run),
        "pseudo_labels": plan.labels_of(run),
        "start": _name(plan.start_of(run)),
        "command": plan.shown_command(run),
        "averaged": [str(each) for each in plan.averaged(run)],
        "commit": _commit(run, starts),
        "record": [
            {
                **{key: start.get(key) for key in PUBLISHED_OF_A_START},
                **comparable(start),
            }
            for start in starts
        ],
        "hardware": hardware(),
        "seconds_per_iteration": sum(seconds) / len(seconds) if seconds else None,
        "metric": plan.setting.metric,
        **summarize(curve, plan.setting.metric),
        "training": training,
        "diagnosis": read_diagnosis(folder),
    }


def _commit(run: Run, starts: Sequence[Start]) -> str:
    """Return the code that a run was made with, of an average the code that is here."""
    if run.row.average:
        return code_name(package_state())
    return code_name(starts[-1]) if starts else "unknown"


def summarize(curve: Curve, metric: str) -> dict[str, Any]:
    """Return the last and the best evaluation, and the curve.

    Args:
        curve: Metrics by iteration.
        metric: What the best is chosen by, such as "mIoU13".

    Returns:
        ``last`` and ``best`` with ``step``, the mean metrics and ``per_class``,
        ``curve`` with one list per mean metric, and ``curve_per_class`` with one list
        of IoU per class, over the same steps. NaN becomes None: JSON has none.

    Examples:
        >>> curve = {10: {"mIoU": 3.0, "IoU.car": 6.0}, 20: {"mIoU": 2.0}}
        >>> summarize(curve, "mIoU")["best"]
        {'step': 10, 'mIoU': 3.0, 'per_class': {'car': 6.0}}
    """
    steps = list(curve)
    best = max(steps, key=lambda step: _rank(curve[step].get(metric)))
    means = [key for key in curve[steps[-1]] if not key.startswith(CLASS_PREFIX)]
    means = [key for key in means if key != "time"]
    classes = [key for key in curve[steps[-1]] if key.startswith(CLASS_PREFIX)]

    def column(key: str) -> list[float | None]:
        return [_clean(curve[step].get(key)) for step in steps]

    return {
        "last": _evaluation(curve, steps[-1], means),
        "best": _evaluation(curve, best, means),
        "curve": {"step": steps, **{key: column(key) for key in means}},
        "curve_per_class": {
            key.removeprefix(CLASS_PREFIX): column(key) for key in classes
        },
    }


def _evaluation(curve: Curve, step: int, means: Sequence[str]) -> dict[str, Any]:
    metrics = curve[step]
    classes = {
        key.removeprefix(CLASS_PREFIX): _clean(value)
        for key, value in metrics.items()
        if key.startswith(CLASS_PREFIX)
    }
    chosen = {key: _clean(metrics.get(key)) for key in means}
    return {"step": step, **chosen, "per_class": classes}


def _clean(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _rank(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def write_result(plan: Plan, run: Run) -> dict[str, Any]:
    """Collect a finished run into its result file; return what it holds."""
    result = make_result(plan, run)
    with atomic_write(plan.result(run)) as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    return result


def read_result(plan: Plan, run: Run) -> dict[str, Any] | None:
    """Read a run's result.

    Args:
        plan: Where everything is.
        run: Any run.

    Returns:
        What its file holds; None if it was not run yet.

    Raises:
        UserError: If the file is no result, or that of a run with other options.
    """
    path = plan.result(run)
    if not path.is_file():
        return None
    result = parse_result(path)
    for name, here in (
        ("task", plan.setting.name),
        ("net", plan.setting.net),
        ("row", run.row.name),
        ("seed", run.seed),
    ):
        if result[name] != here:
            raise UserError(
                f"{path} is of {name} {result[name]}, its name is of {here}: give it "
                "its own name, or remove it"
            )
    found = (result["options"], result["pseudo_labels"], result.get("start"))
    wanted = (
        plan.own_options(run),
        plan.labels_of(run),
        _name(plan.start_of(run)),
    )
    if result.get("config") != run.row.config(plan.setting):
        # The row once had a config of its own, which held what are its options now.
        own = plan.row_options(run)
        found, wanted = (
            ([text for text in options if text not in own], *rest)
            for options, *rest in (found, wanted)
        )
    names = ("options", "pseudo-labels", "start")
    for name, old, new in zip(names, found, wanted, strict=True):
        if old != new:
            raise UserError(
                f"{path} is of a run with other {name} ({old}, now {new}): choose "
                "other folders with --results and --work-dir, or the same settings"
            )
    return result


def parse_result(path: Path) -> dict[str, Any]:
    """Read a result file, and see that it is one.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        UserError: If it is no JSON, or lacks what a table is made from; says what.
    """
    try:
        result = dict(json.loads(path.read_text()))
        lacking = [name for name in (*NEEDED, *EVALUATIONS) if name not in result]
        if lacking:
            raise KeyError(", ".join(lacking))
        for name in EVALUATIONS:
            means = dict(result[name])
            for value in (means["step"], *dict(means.pop("per_class")).values()):
                _require_number(value)
            for value in means.values():
                _require_number(value)
        for series in dict(result.get("diagnosis") or {}).values():
            _require_number(list(series)[-1])
        for start in result.get("record") or ():
            comparable(start)
            _require_number(start["iteration"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path} is no result of this tool ({reason}): under --results stand "
            "results alone, move or remove it"
        ) from error
    return result


def _require_number(value: Any) -> None:
    if not (value is None or isinstance(value, (int, float))):
        raise TypeError(f"{value!r} is no number")


def _name(run: Run | None) -> str | None:
    return None if run is None else str(run)


def hardware() -> dict[str, Any]:
    """Return what this machine is, as far as it matters for a result."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mmengine": mmengine.__version__,
    }
