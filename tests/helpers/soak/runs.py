"""The two trainings that are compared: one left alone, one killed again and again."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from helpers.soak.kills import Kill
from helpers.soak.project import LOG_INTERVAL, VAL_INTERVAL, Project, require_success
from helpers.soak.watch import iteration_of, names_in, resident, starts_of
from mmseg_cosda.work_dir import LAST_EVALUATION, read_last_evaluation

Tell = Callable[[int], None]
"""Is told the iteration."""


class Undisturbed(NamedTuple):
    """What the undisturbed training took.

    Args:
        seconds: From its start to its end.
        start_seconds: From its start to its first line.
        val_seconds: From a checkpoint to the end of its evaluation.
        memory: Iteration, then resident memory in KiB, of the process and its workers.
    """

    seconds: float
    start_seconds: float
    val_seconds: float
    memory: list[tuple[int, int, int]]


def run_undisturbed(project: Project, tell: Tell) -> Undisturbed:
    """Train once, and watch.

    Raises:
        SoakError: If it fails.
    """
    work_dir, log = project.folder / "undisturbed", project.folder / "undisturbed.log"
    began, start_seconds = time.monotonic(), 0.0
    memory: list[tuple[int, int, int]] = []
    evaluated: dict[int, float] = {}
    with _started(project, work_dir, log) as process:
        while process.poll() is None:
            time.sleep(0.1)
            iteration = iteration_of(work_dir)
            if iteration:
                start_seconds = start_seconds or time.monotonic() - began
                memory.append((iteration, *resident(process.pid)))
                evaluated.update(_evaluation(work_dir))
            tell(iteration)
    require_success(process.wait(), log)
    val_seconds = statistics.median(evaluated.values() or [0.5])
    return Undisturbed(time.monotonic() - began, start_seconds, val_seconds, memory)


def _evaluation(work_dir: Path) -> Iterator[tuple[int, float]]:
    """Find how long the last evaluation took, by the times of its files."""
    noted = read_last_evaluation(work_dir)
    if noted is None:
        return
    paths = work_dir / LAST_EVALUATION, work_dir / f"iter_{noted[0]}.pth"
    with contextlib.suppress(OSError):  # replaced in between
        ended, began = (path.stat().st_mtime for path in paths)
        yield noted[0], ended - began


def run_killed(
    project: Project, kills: Sequence[Kill], times: Undisturbed, tell: Tell
) -> list[str]:
    """Train, killed at each of the moments, and go on after each.

    Args:
        project: Where.
        kills: In their order.
        times: How long the moments last.
        tell: Is told the iteration.

    Returns:
        Where each kill met the training; one that came too late isn't there.

    Raises:
        SoakError: If the training fails by itself.
    """
    work_dir, log = project.folder / "killed", project.folder / "killed.log"
    met = []
    for kill in kills:
        with _started(project, work_dir, log) as process:
            if not _wait_for(kill, process, work_dir, times, tell):
                require_success(process.wait(), log)
                continue
            iteration, names = iteration_of(work_dir), names_in(work_dir)
            if kill.alone:
                os.kill(process.pid, signal.SIGKILL)
            else:
                os.killpg(process.pid, signal.SIGKILL)
            if process.wait() == -signal.SIGKILL:
                writing = " while a file was written" * any(
                    name.startswith((".iter", ".best")) for name in names
                )
                met.append(f"{kill.kind} at {iteration}{writing}")
    with _started(project, work_dir, log) as process:
        while process.poll() is None:
            time.sleep(0.1)
            tell(iteration_of(work_dir))
    require_success(process.wait(), log)
    return met


def _wait_for(
    kill: Kill,
    process: subprocess.Popen[bytes],
    work_dir: Path,
    times: Undisturbed,
    tell: Tell,
) -> bool:
    """Wait for a moment; return False if the training ended before."""
    alive = process.poll
    if kill.kind == "start":
        end = time.monotonic() + 1.5 * kill.delay * times.start_seconds
        # A faster machine than the undisturbed training had must not run ahead.
        far = iteration_of(work_dir) + LOG_INTERVAL
        while alive() is None and time.monotonic() < end:
            if iteration_of(work_dir) > far:
                break
            time.sleep(0.01)
        return alive() is None
    before = starts_of(work_dir)
    while alive() is None and starts_of(work_dir) == before:
        time.sleep(0.05)  # what is logged is of the start before
    while alive() is None and iteration_of(work_dir) < kill.iteration - LOG_INTERVAL:
        tell(iteration_of(work_dir))
        time.sleep(0.02)
    if kill.kind == "step":
        per_step = times.seconds / times.memory[-1][0]
        time.sleep(kill.delay * 2 * LOG_INTERVAL * per_step)
        return alive() is None
    seen = names_in(work_dir)
    while alive() is None:
        new = names_in(work_dir) ^ seen
        if kill.kind == "checkpoint" and new:
            time.sleep(0.01 * kill.delay)
            return alive() is None
        if any(_is_evaluated(name) for name in new - seen):
            time.sleep(0.8 * kill.delay * times.val_seconds)
            return alive() is None
        time.sleep(0.0005)
    return False


def _is_evaluated(name: str) -> bool:
    """Return whether a file is a checkpoint that an evaluation follows."""
    number = name.removeprefix("iter_").removesuffix(".pth")
    return number.isdecimal() and int(number) % VAL_INTERVAL == 0


@contextmanager
def _started(
    project: Project, work_dir: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a training, which doesn't outlive the soak."""
    process = project.start(project.train_command(work_dir.name), log)
    try:
        yield process
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
