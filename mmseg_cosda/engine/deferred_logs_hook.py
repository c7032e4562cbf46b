"""Log scalars that wait on the device until somebody reads them."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from torch import Tensor

from mmseg_cosda.engine.unlikely_values import UnlikelyValues


@HOOKS.register_module()
class DeferredLogsHook(RuntimeInfoHook):
    """The host's ``RuntimeInfoHook``, with one host copy per log line.

    The host reads each log scalar of each iteration from the device, and each read
    waits for the whole step: some ten times per iteration. Here an iteration's
    scalars are stacked where they are and read together when the ``LoggerHook`` is
    about to print, before an evaluation, and for a checkpoint. The values that reach
    the logs, their windows and a resumed run are the host's.

    It takes the host's place as a default hook:
    ``default_hooks=dict(runtime_info=dict(type="DeferredLogsHook"))``. Whatever else
    reads scalars of the ``MessageHub`` during training finds those up to the last log
    line; the outputs that hooks are handed stay tensors.

    At a log line it warns, once each, of values that train but can't be meant: see
    :class:`~mmseg_cosda.engine.unlikely_values.UnlikelyValues`.

    Examples:
        >>> DeferredLogsHook().priority
        'VERY_HIGH'
    """

    def __init__(self) -> None:
        # The scalars of an iteration by name, the tensors among them stacked.
        self._waiting: list[tuple[dict[str, Any], list[str], Tensor | None]] = []
        self._intervals: list[int] = []
        self._unlikely = UnlikelyValues()

    def before_train(self, runner: Any) -> None:
        """Find out when log lines are due."""
        super().before_train(runner)
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self._intervals = [hook.interval for hook in loggers]

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Put an iteration's scalars aside; hand all over when a line is due."""
        if outputs:
            self._waiting.append(_stack(outputs))
        due = any(self.every_n_inner_iters(batch_idx, n) for n in self._intervals)
        if due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._unlikely.warn(runner, self.flush(runner))

    def before_val(self, runner: Any) -> None:
        """Hand over what waits, then do as the host does."""
        self.flush(runner)
        super().before_val(runner)

    def after_train(self, runner: Any) -> None:
        """Hand over what waits, then do as the host does."""
        self.flush(runner)
        super().after_train(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Complete the scalars of a checkpoint, from which a run may resume."""
        if self._waiting:
            self.flush(runner)
            checkpoint["message_hub"] = runner.message_hub.state_dict()

    def flush(self, runner: Any) -> dict[str, list[float]]:
        """Read all that waits with one copy and hand it to the ``MessageHub``.

        Returns:
            The values that waited, by name.
        """
        window: dict[str, list[float]] = {}
        stacks = [stack for _, _, stack in self._waiting if stack is not None]
        values = iter(torch.cat(stacks).tolist() if stacks else [])
        for scalars, names, _ in self._waiting:
            scalars.update((name, next(values)) for name in names)
            for name, value in scalars.items():
                runner.message_hub.update_scalar(f"train/{name}", value)
                window.setdefault(name, []).append(value)
        self._waiting.clear()
        return window


def _stack(outputs: dict[str, Any]) -> tuple[dict[str, Any], list[str], Tensor | None]:
    """Copy scalars: all by name in their order, the tensors' names, their stack."""
    tensors = {k: v for k, v in outputs.items() if isinstance(v, Tensor)}
    if not tensors:
        return dict(outputs), [], None
    # 16-bit scalars are exact in float32.
    double = any(value.dtype == torch.float64 for value in tensors.values())
    dtype = torch.float64 if double else torch.float32
    stack = torch.stack([v.detach().reshape(()).to(dtype) for v in tensors.values()])
    return dict(outputs), list(tensors), stack
