"""Looks before anything is written of a training."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import CheckpointHook, Hook, LoggerHook
from torch import nn

from mmseg_cosda.models.nonfinite.guard import NonFiniteGuard
from mmseg_cosda.models.nonfinite.weights import require_finite_weights
from mmseg_cosda.preflight.callers import calling_loop

CURE = (
    "they became so in training: nothing of it is saved from here on, and --resume "
    "goes on from the last checkpoint, perhaps with a lower learning rate or with "
    "optim_wrapper.clip_grad=dict(max_norm=1.0)"
)


def watch_runner(segmentor: nn.Module, guard: NonFiniteGuard) -> None:
    """Let the Runner that calls, if one does, ask a guard before it writes.

    A hook of the config could be replaced by a child config: this one isn't in it.

    Args:
        segmentor: The model, in its first step of training.
        guard: Its guard.
    """
    loop = calling_loop()
    if loop is not None:
        loop.runner.register_hook(NonFiniteHook(segmentor, guard), "HIGHEST")


class NonFiniteHook(Hook):
    """Reads a guard before each log line, evaluation and checkpoint.

    Before an evaluation and a checkpoint the weights are looked at too: whatever made
    them NaN, such a net is evaluated as one that predicts a single class, and may even
    be the best.

    Args:
        segmentor: The model.
        guard: What has looked at each of its iterations.
    """

    def __init__(self, segmentor: nn.Module, guard: NonFiniteGuard) -> None:
        self._segmentor = segmentor
        self._guard = guard

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Read, if a log line or a checkpoint is due, the same on all processes."""
        if self._due(runner, batch_idx):
            self._guard.read(self._segmentor)

    def _due(self, runner: Any, batch_idx: int) -> bool:
        if self.is_last_train_iter(runner):
            return True
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                last = self.end_of_epoch(runner.train_dataloader, batch_idx)
                if last or self.every_n_inner_iters(batch_idx, hook.interval):
                    return True
            if isinstance(hook, CheckpointHook) and not hook.by_epoch:
                interval, start = hook.interval, hook.save_begin
                if self.every_n_train_iters(runner, interval, start):
                    return True
        return False

    def after_train_epoch(self, runner: Any) -> None:
        """Read, before a checkpoint of the epoch."""
        self._guard.read(self._segmentor)

    def before_val(self, runner: Any) -> None:
        """Read and look at the weights; nothing of a bad net is evaluated."""
        self._guard.read(self._segmentor)
        self._look_at_weights(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Read and look at the weights, on the process that saves, alone."""
        self._guard.read(self._segmentor, alone=True)
        self._look_at_weights(runner)

    def _look_at_weights(self, runner: Any) -> None:
        place = f"the network at iteration {runner.iter:,}"
        require_finite_weights(self._segmentor, place, CURE)
