"""Result files: small, whole or absent, and what a table is made from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import mmengine
import torch

from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write
from mmseg_cosda.reproduce.collect import (
    read_curve,
    read_diagnosis,
    read_training,
    summarise,
)
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.version import __version__


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
    seconds = [s for s in training.get("time", []) if s is not None]
    return {
        "task": plan.setting.name,
        "net": plan.setting.net,
        "row": run.row.name,
        "seed": run.seed,
        "config": run.row.config(plan.setting),
        "options": plan.own_options(run),
        "pseudo_labels": plan.labels_of(run),
        "command": plan.shown_command(run),
        "commit": commit(plan.tools) if plan.tools else f"version {__version__}",
        "hardware": hardware(),
        "seconds_per_iteration": sum(seconds) / len(seconds) if seconds else None,
        "metric": plan.setting.metric,
        **summarise(curve, plan.setting.metric),
        "training": training,
        "diagnosis": read_diagnosis(folder),
    }


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
    try:
        result = dict(json.loads(path.read_text()))
        found = (result["options"], result["pseudo_labels"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no result of this tool: remove it") from error
    wanted = (plan.own_options(run), plan.labels_of(run))
    for name, old, new in zip(("options", "pseudo-labels"), found, wanted, strict=True):
        if old != new:
            raise UserError(
                f"{path} is of a run with other {name} ({old}, now {new}): choose "
                "other folders with --results and --work-dir, or the same settings"
            )
    return result


def commit(folder: Path) -> str:
    """Return the commit of the code, "unknown" outside a repository."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(
            folder.parent, "status", "--porcelain", "--", "mmseg_cosda", "configs"
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-changed" if changed else head


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


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
