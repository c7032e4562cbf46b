"""Looks at the losses and gradients of each iteration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_reduce, is_distributed
from mmengine.logging import MessageHub, print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmseg_cosda.errors import UserError
from mmseg_cosda.models.memory import ClassFeatureQueue
from mmseg_cosda.models.nonfinite.findings import (
    GRADIENT,
    Images,
    SeenStep,
    describe,
    images_of,
    of_all_processes,
)
from mmseg_cosda.models.nonfinite.weights import bad_weights

MOST_WAITING = 1000
"""Iterations that wait on a device where nobody reads them: outside a Runner."""

MOST_IN_A_ROW = 100
"""Steps skipped one after another; then nothing is trained any more."""

SKIPPED = "nonfinite_steps"
"""Where the ``MessageHub`` counts skipped steps, across resumes."""


class _Waiting(NamedTuple):
    """An iteration, perhaps not read yet: the names and values of its terms."""

    iteration: int
    images: Images
    losses: list[str]
    parameters: list[nn.Parameter]
    values: Tensor

    def named(self, segmentor: nn.Module, values: list[float]) -> SeenStep:
        """Give the values their names, the losses' and the parameters'."""
        keys = {id(parameter): key for key, parameter in segmentor.named_parameters()}
        owners = [keys.get(id(each), "a parameter") for each in self.parameters]
        names = [*self.losses, *(f"{GRADIENT}{owner}" for owner in owners)]
        return SeenStep(
            self.iteration, self.images, dict(zip(names, values, strict=True))
        )


class NonFiniteGuard:
    """Ends a training, or leaves a step out, when a number of it isn't one.

    On a CPU the losses and gradients of an iteration are read before the optimizer
    moves. On another device to read them would wait for the whole step: with "stop"
    they wait there, and are read before whatever would be written of the training (a
    log line, an evaluation, a checkpoint: ``NonFiniteHook``).

    In fp16 the host's loss scaler looks for gradients that overflow, skips the step
    and lowers its scale: with one, losses alone are looked at here.

    Args:
        action: "stop" ends the training with an error. "skip" leaves the step out, as
            if the iteration had not been, and counts; it reads the device each
            iteration, as the loss scaler does.
    """

    def __init__(self, action: str) -> None:
        self.action = action
        self._losses: dict[str, Tensor] = {}
        self._state: list[tuple[Tensor, Tensor]] = []
        self._waiting: list[_Waiting] = []
        self._seen = 0
        self._in_a_row = 0

    def begin(self, segmentor: nn.Module) -> None:
        """Start an iteration.

        Args:
            segmentor: The model; "skip" keeps a copy of its buffers, the norms'
                statistics above all, in case they take in what is not finite.
        """
        self._losses.clear()
        if self.action == "skip":
            self._state = [(b, b.clone()) for b in _small_buffers(segmentor)]

    def add_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Take in the terms of a phase, scalars without graph; "loss" is in each name.

        Args:
            losses: By name; what is only logged is passed over.
        """
        self._losses.update((k, v.detach()) for k, v in losses.items() if "loss" in k)

    def allows_step(self, segmentor: nn.Module, step: Any, optim_wrapper: Any) -> bool:
        """Look at an iteration whose backward passes are done. All processes must call.

        Args:
            segmentor: The model.
            step: The iteration's ``Step``.
            optim_wrapper: About to step, if the accumulation is complete.

        Returns:
            Whether its gradients may be used. If not, the buffers are as before.

        Raises:
            UserError: If it is bad and the training must end; on all processes.
        """
        parameters = list(_with_gradients(optim_wrapper))
        values = self._values(parameters)
        self._seen += 1
        number = self._seen if step.iteration is None else step.iteration + 1
        seen = _Waiting(
            number, images_of(step.samples), list(self._losses), parameters, values
        )
        if self.action == "stop" and must_wait(values):
            self._waiting.append(seen)
            if len(self._waiting) >= MOST_WAITING and not is_distributed():
                self.read(segmentor)
            return True
        finite = values.isfinite().all()
        bad = torch.logical_not(finite).to(torch.int64)
        all_reduce(bad)
        if not bad:
            self._in_a_row = 0
            return True
        mine = None if finite else seen.named(segmentor, values.tolist())
        found = of_all_processes(mine)
        assert found is not None  # some process had one
        if self.action == "stop":
            raise UserError(_message(found, bad_weights(segmentor)))
        self._leave_out(found)
        return False

    def read(self, segmentor: nn.Module, alone: bool = False) -> None:
        """Read what waits on the device.

        Args:
            segmentor: The model.
            alone: Whether the other processes don't call.

        Raises:
            UserError: If an iteration was bad; on all processes that call.
        """
        found = None
        if self._waiting:
            all_values = torch.cat([step.values for step in self._waiting])
            sizes = [len(step.values) for step in self._waiting]
            parts = all_values.cpu().split(sizes)
            for step, values in zip(self._waiting, parts, strict=True):
                if not bool(values.isfinite().all()):
                    found = step.named(segmentor, values.tolist())
                    break
            self._waiting.clear()
        if not alone:
            found = of_all_processes(found)
        if found is not None:
            raise UserError(_message(found, []))

    def _values(self, parameters: list[nn.Parameter]) -> Tensor:
        """Return losses, then a value of each gradient, (N,) float."""
        losses = [value.reshape(()) for value in self._losses.values()]
        gradients = [p.grad for p in parameters if p.grad is not None]
        scalars = [*losses, *_probe(gradients)]
        double = any(scalar.dtype == torch.float64 for scalar in scalars)
        dtype = torch.float64 if double else torch.float32
        return torch.stack([scalar.to(dtype) for scalar in scalars])

    def _leave_out(self, step: SeenStep) -> None:
        for buffer, before in self._state:
            buffer.copy_(before)
        hub = MessageHub.get_current_instance()
        count = int(hub.get_info(SKIPPED, 0)) + 1
        hub.update_info(SKIPPED, count)
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            raise UserError(
                f"{MOST_IN_A_ROW} steps in a row were skipped: nothing is trained any "
                f"more. The last: {describe(step)}"
            )
        print_log(
            f"step skipped, {describe(step)} ({count} skipped so far)",
            logger="current",
            level=30,
        )


def _message(step: SeenStep, bad: list[str]) -> str:
    text = describe(step)
    if bad:
        return (
            f"{text}. {len(bad)} weights held NaN or infinity before it "
            f"({bad[0]}, ...): begin with another checkpoint"
        )
    return (
        f"{text}. The training stops; nothing of this iteration is saved, and "
        f"--resume goes on from the last checkpoint. If the images are in order, "
        f"lower the learning rate, or clip the gradients "
        f"(optim_wrapper.clip_grad=dict(max_norm=1.0)); "
        f'model.nonfinite="skip" leaves such a step out'
    )


def _probe(gradients: list[Tensor]) -> Sequence[Tensor]:
    """Return a scalar of each gradient that is finite just where all of it is."""
    if not gradients:
        return []
    if gradients[0].device.type == "cpu":  # there, sums are ten times as fast
        sums = [gradient.sum() for gradient in gradients]
        if all(math.isfinite(value.item()) for value in sums):
            return sums
    # The largest: a sum, too, overflows where no gradient does.
    return tuple(torch._foreach_norm(gradients, math.inf))


def must_wait(values: Tensor) -> bool:
    """Return whether to read values would wait for a device."""
    return values.device.type != "cpu"


def _wrappers(optim_wrapper: Any) -> Iterable[Any]:
    if isinstance(optim_wrapper, OptimWrapperDict):
        return list(optim_wrapper.values())
    return [optim_wrapper]


def _with_gradients(optim_wrapper: Any) -> Iterator[nn.Parameter]:
    """Yield the parameters whose gradients no loss scaler looks at."""
    for wrapper in _wrappers(optim_wrapper):
        if isinstance(wrapper, AmpOptimWrapper) and wrapper.loss_scaler.is_enabled():
            continue
        for group in wrapper.optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and gradient.numel():
                    yield parameter


def _small_buffers(segmentor: nn.Module) -> Iterator[Tensor]:
    """Yield the buffers but those of queues, which take in finite rows alone."""
    for module in segmentor.modules():
        if not isinstance(module, ClassFeatureQueue):
            yield from module.buffers(recurse=False)
