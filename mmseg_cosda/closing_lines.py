"""The last lines of a training: what was reached, where it is, what comes next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmseg_cosda.commands import command


def closing_lines(
    config: str,
    work_dir: Path,
    iterations: int,
    score: tuple[str, float] | None = None,
    best: tuple[float, str] | None = None,
) -> list[str]:
    """Write what a finished training leaves.

    Args:
        config: As the user named it.
        work_dir: Its work folder.
        iterations: That were trained.
        score: Name and value at the last validation; None without any.
        best: Value and checkpoint of the best validation; None without any.

    Returns:
        Lines without line ends.

    Examples:
        >>> lines = closing_lines("a.py", Path("w"), 400, ("mIoU", 52.03))
        >>> lines[0], lines[1]
        ('trained 400 iterations: mIoU 52.03 at the last validation', '  last: w')
    """
    last = work_dir / f"iter_{iterations}.pth"
    reached = f"trained {iterations} iterations"
    if score is not None:
        reached += f": {score[0]} {score[1]:.2f} at the last validation"
    lines = [reached, f"  last: {last if last.is_file() else work_dir}"]
    if score is not None and best is not None and os.path.isfile(best[1]):
        lines.append(f"  best: {os.path.relpath(best[1])} ({score[0]} {best[0]:.2f})")
    checkpoint = last if last.is_file() else (best[1] if best else "CHECKPOINT")
    lines.append(
        f"  next: {command('predict')} {config} {checkpoint} IMAGES --out predictions"
    )
    return lines


class ClosingLinesHook(Hook):
    """Says at the end of a training what was reached and what comes next.

    Args:
        config: As the user named it.
    """

    def __init__(self, config: str) -> None:
        self.config = config

    def after_train(self, runner: Runner) -> None:
        """Log the lines, on the main process."""
        hub = runner.message_hub
        metric = _metric(runner.cfg)
        history = hub.log_scalars.get(f"val/{metric}")
        score = None if history is None else (metric, float(history.current()))
        best_score, best_file = hub.get_info("best_score"), hub.get_info("best_ckpt")
        best = None
        if best_score is not None and best_file is not None:
            best = (float(best_score), str(best_file))
        work_dir = Path(os.path.relpath(runner.work_dir))
        for line in closing_lines(self.config, work_dir, runner.iter, score, best):
            print_log(line, logger="current")


def _metric(cfg: Mapping[str, Any]) -> str:
    """Return what decides which checkpoint is the best, mIoU where nothing does."""
    hooks = cfg.get("default_hooks") or {}
    wanted = (hooks.get("checkpoint") or {}).get("save_best")
    return wanted if isinstance(wanted, str) and wanted != "auto" else "mIoU"
