"""What a training keeps whole: folder, checkpoints, evaluations, the best one."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.hooks import (
    CheckpointHook,
    Hook,
    ParamSchedulerHook,
    RuntimeInfoHook,
)
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop

from mmseg_cosda.engine.log_files import watch_log_files
from mmseg_cosda.engine.patient_backend import PatientBackend, finish_removals
from mmseg_cosda.engine.resume_position import pass_over_done
from mmseg_cosda.engine.run_changes import (
    GRADIENTS,
    TRAINING,
    open_gradients,
    reconcile,
    require_finite_state,
    training_state,
)
from mmseg_cosda.engine.run_record import former_starts, new_start, record_start
from mmseg_cosda.engine.run_start import (
    checkpoint_folder,
    choose_start,
    last_evaluated,
    names_kept,
    on_main,
    remove_leftovers,
    reroot,
    reseed,
)
from mmseg_cosda.engine.stop_signal import StopSignal, same_length_everywhere
from mmseg_cosda.errors import Stopped
from mmseg_cosda.locks import TRAINING as LOCK
from mmseg_cosda.locks import FolderLock
from mmseg_cosda.work_dir import write_last_evaluation

EVALUATED = "evaluated"
"""Entry of ``meta["training"]``: whether its iteration's evaluation is in it."""
CURE = "wait until it has ended, stop it, or choose another --work-dir"


@HOOKS.register_module()
class RunKeeper(Hook):
    """Keeps what a training leaves whole, across kills, resumes and moved folders.

    No config names it: the segmentor asks for it when a Runner begins to train it, so
    that it is there with the host's scripts, and in a child config that replaces all
    hooks. It

    - holds the work folder against a second training (rank 0 alone);
    - finds the checkpoint to go on from, and says what has changed since;
    - writes down what is trained, with what and on which data (``training.json``);
    - makes up an evaluation that was due and that a kill took;
    - passes over the data that is done without reading it;
    - lets the ``CheckpointHook`` remove a file only when what replaces it is written,
      and none of another folder;
    - on SIGTERM, saves and ends, with the status that the signal has.

    Examples:
        >>> RunKeeper().priority
        'LOWEST'
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self._resumed: str | None = None
        self._folder: Path | None = None
        self._backends: list[PatientBackend] = []
        self._check: Callable[[], None] = lambda: None
        self._evaluating = self._included = self._evaluated = False
        self._metrics: dict[str, float] = {}
        self._stop = StopSignal()

    def begin(self, runner: Any, check: Callable[[], None]) -> None:
        """Take the folder, and choose what the training begins with.

        Args:
            runner: About to train, before it loads a checkpoint.
            check: Called before anything is evaluated.

        Raises:
            UserError: If another process trains there, or can't be gone on with.
        """
        if any(isinstance(hook, RunKeeper) for hook in runner.hooks):
            return
        self._check, self._folder = check, checkpoint_folder(runner)
        lock = FolderLock(runner.work_dir, LOCK)

        def prepare() -> Any:
            lock.require(os.path.relpath(runner.work_dir), CURE)
            weakref.finalize(runner, lock.release)
            if self._folder is not None:
                remove_leftovers(self._folder)
            return choose_start(runner)

        self._lock = lock
        watch_log_files(runner.logger)
        start = on_main(prepare)
        for line in start.lines:
            print_log(line, logger="current")
        if start.seed is not None:
            reseed(runner, start.seed)
        self._resumed = start.resume
        if start.resume is None:
            on_main(lambda: record_start(Path(runner.work_dir), new_start(runner, 0)))
        runner._resume = start.resume is not None
        runner._load_from = start.resume or start.weights
        runner.register_hook(self)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Say what has changed since the checkpoint that a training goes on from."""
        if self._resumed is None:
            return
        require_finite_state(checkpoint, self._resumed)
        trained = checkpoint["meta"].get(TRAINING) or {}
        self._included = bool(trained.get(EVALUATED))
        for line in reconcile(runner, checkpoint):
            print_log(line, logger="current")
        if self._folder is not None:
            info = checkpoint["message_hub"]["runtime_info"]
            reroot(info, self._folder.absolute())
        iteration = int(checkpoint["meta"]["iter"])
        on_main(lambda: self._record(runner, iteration))

    def _record(self, runner: Any, iteration: int) -> None:
        """Add what a training goes on with to the record of what it went with."""
        own, folder = Path(runner.work_dir), Path(str(self._resumed)).parent
        if self._folder is not None and folder.resolve() == self._folder.resolve():
            folder = own
        former, line = former_starts(folder)
        if line:
            print_log(line, logger="current")
        record_start(own, new_start(runner, iteration), former)

    def before_train(self, runner: Any) -> None:
        """Stand between the host's hook and the files; say if nothing is left."""
        self._stop.listen(runner)
        pass_over_done(runner.train_loop)
        self._evaluated, self._metrics = on_main(
            lambda: last_evaluated(runner, self._included)
        )
        if dist.is_main_process() and self._folder is not None:
            finish_removals(self._folder, names_kept(runner, self._resumed))
        for hook in _checkpoint_hooks(runner):
            backend = PatientBackend(hook.file_backend, self._folder)
            hook.file_backend = backend
            self._backends.append(backend)
            own = self._resumed is not None and self._folder is not None
            if own and Path(str(self._resumed)).parent.samefile(str(self._folder)):
                # An evaluation made up completes this one.
                hook.last_ckpt = self._resumed
        if self._resumed is not None and runner.iter >= runner.max_iters:
            print_log(
                f"nothing is left to train: {runner.work_dir} holds iteration "
                f"{runner.iter} of {runner.max_iters}. To go on, raise train_cfg."
                f"max_iters and the end of param_scheduler",
                logger="current",
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Make up the evaluation of the checkpoint that is gone on from.

        A checkpoint is written before its evaluation: killed in between, the host goes
        on without it, and without the best checkpoint that it might have been.
        """
        loop, step = runner.train_loop, runner.iter
        if self._resumed is None or runner.val_loop is None or not step:
            return
        if not isinstance(loop, IterBasedTrainLoop) or step < loop.val_begin:
            return
        loop._decide_current_val_interval()
        if step % loop.val_interval != 0 and step != loop.max_iters:
            return
        if self._evaluated:
            self._tell_metrics(runner)
            return
        self._check()
        print_log(f"iteration {step} was not evaluated: now", logger="current")
        runner.val_loop.run()

    def _tell_metrics(self, runner: Any) -> None:
        """Tell an evaluation to what keeps it: the checkpoint is older than that."""
        for hook in runner.hooks if self._metrics else ():
            if isinstance(hook, RuntimeInfoHook | ParamSchedulerHook):
                hook.after_val_epoch(runner, self._metrics)

    def before_val(self, runner: Any) -> None:
        """From here on a checkpoint has the evaluation in it: that of a new best."""
        self._evaluating = True

    def after_val(self, runner: Any) -> None:
        """From here on it is one of a later iteration."""
        self._evaluating = False

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add what a resume compares, and the gradients of an open window."""
        state = training_state(runner, int(checkpoint["meta"]["iter"]))
        checkpoint["meta"][TRAINING] = {**state, EVALUATED: self._evaluating}
        alone = state["processes"] == 1
        if "optimizer" in checkpoint and state["open_window"] and alone:
            checkpoint[GRADIENTS] = open_gradients(runner.model)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Remove what is replaced by now; end, if that was asked for."""
        self._flush()
        if self._stop.agreed() and self._can_stop(runner, runner.iter + 1):
            self._end(runner, runner.iter + 1)

    def after_val_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """End within an evaluation, if that was asked for; a resume makes it up."""
        if not same_length_everywhere(runner.val_dataloader):
            return
        if self._stop.agreed() and self._can_stop(runner, runner.iter):
            self._end(runner, runner.iter)

    def _can_stop(self, runner: Any, step: int) -> bool:
        # Gradients of several processes aren't saved.
        count = int(runner.optim_wrapper._accumulative_counts)
        return dist.get_world_size() == 1 or step % count == 0

    def _end(self, runner: Any, step: int) -> None:
        """Save, say so, and end.

        Args:
            runner: That trains.
            step: Iterations that are done.

        Raises:
            Stopped: With SIGTERM's status.
        """
        saved, self._evaluating = None, False  # it isn't carried to its end
        for hook in _checkpoint_hooks(runner):
            if hook.by_epoch:
                continue  # one within an epoch couldn't be gone on from
            saved = hook.filename_tmpl.format(step)
            if not step or Path(str(hook.last_ckpt)).name == saved:
                continue
            meta = dict(epoch=runner.epoch, iter=step)
            hook._save_checkpoint_with_step(runner, step, meta=meta)
        self._flush()
        kept = f"saved as {saved}" if saved and step else "not saved"
        print_log(
            f"SIGTERM: training ends behind iteration {step} of {runner.max_iters}, "
            f"{kept}; --resume goes on",
            logger="current",
        )
        self._stop.leave()
        raise Stopped(signal.SIGTERM)

    def after_train(self, runner: Any) -> None:
        """Listen no more for SIGTERM."""
        self._stop.leave()

    def after_val_epoch(
        self, runner: Any, metrics: dict[str, float] | None = None
    ) -> None:
        """Remove what is replaced by now, and note that this evaluation is complete."""
        self._flush()
        if dist.is_main_process():
            write_last_evaluation(Path(runner.work_dir), runner.iter, metrics)

    def _flush(self) -> None:
        for backend in self._backends:
            backend.flush()

    def after_run(self, runner: Any) -> None:
        """Give the folder back."""
        self._flush()
        self._lock.release()


def _checkpoint_hooks(runner: Any) -> Iterator[Any]:
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            yield hook
