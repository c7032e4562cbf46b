"""Runs what a table lacks: one process after the other, each picked up after a kill."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import PSEUDO_LABELS, REPRODUCE, TRAINING, FolderLock
from mmseg_cosda.reproduce.belonging import (
    check_labels,
    check_result,
    check_work_dir,
    label_state,
    note_teacher,
)
from mmseg_cosda.reproduce.calls import CommandError, call, locked
from mmseg_cosda.reproduce.options import read_options
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.reproduce.results import read_result, write_result
from mmseg_cosda.work_dir import last_checkpoint, missing_evaluation, read_curve

Say = Callable[[str], None]
LOG = "reproduce.log"
POLL_SECONDS = 5.0


def train(plan: Plan, run: Run) -> dict[str, Any]:
    """Train a run, or go on with it, to its end, and collect it.

    Args:
        plan: Where everything is.
        run: A run whose pseudo-labels are there.

    Returns:
        What its result file holds: the one that there was, if its model alone lacked.

    Raises:
        CommandError: If the training or an evaluation fails.
        UserError: If the folder is of a training with another length.
    """
    folder = plan.work_dir(run)
    loop = read_options(plan.config(run), plan.train_options(run)).train_cfg
    length, interval = int(loop.max_iters), int(loop.val_interval)

    def rerun_lost_evaluation() -> None:
        step = missing_evaluation(folder, read_curve(folder), interval, length)
        if step is not None:
            shutil.rmtree(folder / f"evaluated/iter_{step}", ignore_errors=True)
            call(plan.evaluate_command(run, step), folder / LOG)

    rerun_lost_evaluation()
    if last_checkpoint(folder) != length:
        call(plan.train_command(run), folder / LOG)
        rerun_lost_evaluation()
    if length not in read_curve(folder):
        raise UserError(
            f"{folder} holds no evaluation of iteration {length}, the last: its "
            "training was done with other --cfg-options; remove it, or choose another "
            "--work-dir"
        )
    return read_result(plan, run) or write_result(plan, run)


def average(plan: Plan, run: Run) -> dict[str, Any]:
    """Average the models that a run's is the mean of, evaluate it, and collect it.

    Args:
        plan: Where everything is.
        run: A run whose models are there.

    Returns:
        What its result file holds.

    Raises:
        CommandError: If the averaging or the evaluation fails.
    """
    folder, step, mean = plan.work_dir(run), plan.length(run), plan.checkpoint(run)
    newest = max(plan.checkpoint(each).stat().st_mtime for each in plan.averaged(run))
    evaluated = folder / f"evaluated/iter_{step}"
    if not mean.is_file() or mean.stat().st_mtime < newest:
        shutil.rmtree(evaluated, ignore_errors=True)
        call(plan.train_command(run), folder / LOG)
    if step not in read_curve(folder):
        shutil.rmtree(evaluated, ignore_errors=True)
        call(plan.evaluate_command(run, step), folder / LOG)
    return read_result(plan, run) or write_result(plan, run)


def make_labels(plan: Plan, run: Run) -> bool:
    """Make a run's pseudo-labels, unless they are there or it needs none.

    Args:
        plan: Where everything is.
        run: Any run whose teacher is trained.

    Returns:
        Whether the run can start; False while another process makes them.

    Raises:
        CommandError: If the generation fails.
        UserError: If the teacher in its work folder is another training.
    """
    teacher, folder = plan.teacher_of(run), plan.label_dir(run)
    if teacher is None or folder is None or (folder / "report.json").is_file():
        return True
    with locked(label_state(folder), FolderLock(folder, PSEUDO_LABELS)) as free:
        if not free:
            return False
        if not (folder / "report.json").is_file():
            check_work_dir(plan, teacher)
            command = plan.label_command(teacher, folder)
            call(command, folder.parent / f"{folder.name}.log")
            note_teacher(plan, teacher, folder)
    return True


def check(plan: Plan, run: Run) -> str:
    """Compare what a run would take up of earlier ones with the run.

    Args:
        plan: Where everything is.
        run: Any run.

    Returns:
        What there is to say, "" for nothing.

    Raises:
        UserError: If its result, or without one its half training or the pseudo-labels
            that it needs, were made with something else.
    """
    result = read_result(plan, run)
    if result is not None:
        return check_result(plan, run, result)
    notes = [check_work_dir(plan, run)]
    start = plan.start_of(run)
    if start is not None:
        check_work_dir(plan, start)
    teacher, folder = plan.teacher_of(run), plan.label_dir(run)
    if teacher and folder and (folder / "report.json").is_file():
        notes.append(check_labels(plan, teacher, folder))
    return "; ".join(note for note in notes if note)


def execute(plan: Plan, runs: Sequence[Run], say: Say) -> dict[Run, str]:
    """Carry out all runs that have no result yet.

    Several processes may do so side by side: each takes the runs that no other
    holds. A run that fails doesn't stop the others. What there is of all runs is
    compared with them before anything is run. Of a run whose result is there (in a
    fresh clone), but whose model isn't and is needed, the model is trained again.

    Args:
        plan: Where everything is.
        runs: The runs, those of teachers first.
        say: Takes one line per event.

    Returns:
        What went wrong, by run.

    Raises:
        UserError: If something that would be taken up was made with something else.
    """
    notes = {run: check(plan, run) for run in runs}
    lacking = lacking_models(plan, runs)
    failed: dict[Run, str] = {}
    pending, waited = list(runs), False
    while pending:
        before = len(pending)
        for run in list(pending):
            place = f"[{runs.index(run) + 1}/{len(runs)}] {run}"
            try:
                lacks = run in lacking and not plan.checkpoint(run).is_file()
                outcome = _attempt(plan, run, failed, say, place, notes[run], lacks)
            except CommandError as error:
                failed[run] = outcome = str(error)
                say(f"{place}: failed, {error}")
            if outcome is not None:
                pending.remove(run)
        if len(pending) == before:
            if not waited:
                held = ", ".join(f"{run}{_holder(plan, run)}" for run in pending)
                say(f"waiting for other processes: {held}")
            waited = True
            time.sleep(POLL_SECONDS)
    return failed


def lacking_models(plan: Plan, runs: Sequence[Run]) -> set[Run]:
    """Return the runs whose models others still need and that aren't here."""
    left = [run for run in runs if read_result(plan, run) is None]
    found: set[Run] = set()
    while left:
        needed = {each for run in left for each in _models(plan, run)} - found
        left = [each for each in needed if not plan.checkpoint(each).is_file()]
        found.update(left)
    return found


def _models(plan: Plan, run: Run) -> list[Run]:
    """Return the runs whose models a run needs: finished pseudo-labels need none."""
    start, folder = plan.start_of(run), plan.label_dir(run)
    made = folder is not None and (folder / "report.json").is_file()
    return [each for each in plan.needed_by(run) if each == start or not made]


def _holder(plan: Plan, run: Run) -> str:
    """Say in brackets who holds a run's work folder; nothing if nobody does."""
    for purpose in (TRAINING, REPRODUCE):
        lock = FolderLock(plan.work_dir(run), purpose)
        if lock.is_busy():
            return f" ({lock.holder()})"
    return ""


def _attempt(
    plan: Plan,
    run: Run,
    failed: dict[Run, str],
    say: Say,
    place: str,
    note: str,
    lacks: bool,
) -> str | None:
    """Bring a run to its end if it can run now; None if it must wait."""
    result = read_result(plan, run)
    if result is not None and not lacks:
        say(f"{place}: {describe(result)}, done before{_behind(note)}")
        return "done"
    for needed in plan.needed_by(run):
        if needed in failed:
            failed[run] = f"needs {needed}, which failed"
            say(f"{place}: {failed[run]}")
            return failed[run]
        if read_result(plan, needed) is None:
            return None
    if not all(plan.checkpoint(needed).is_file() for needed in _models(plan, run)):
        return None
    work_dir = plan.work_dir(run)
    with locked(work_dir, FolderLock(work_dir, TRAINING)) as free:
        if not free or not make_labels(plan, run):
            return None
        note = check(plan, run)  # another process may just have trained it
        if read_result(plan, run) is None or lacks:
            again = ", again: its model is needed and isn't there" if result else ""
            where = f"log in {work_dir / LOG}"
            say(f"{place}: training{again}, {where}{_behind(note)}")
            start = time.monotonic()
            result = (average if run.row.average else train)(plan, run)
            say(f"{place}: {describe(result)}, {time.monotonic() - start:.0f} s")
    return "done"


def _behind(note: str) -> str:
    return f" ({note})" if note else ""


def describe(result: dict[str, Any]) -> str:
    """Say a result in a few words."""
    metric, best = result["metric"], result["best"]
    last, top = (
        "no number" if (value := result[which].get(metric)) is None else f"{value:.2f}"
        for which in ("last", "best")
    )
    return f"{metric} {last} last, {top} best (step {best['step']})"
