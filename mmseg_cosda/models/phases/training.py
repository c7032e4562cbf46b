"""The loop over the phases of one iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from mmseg_cosda.models.nonfinite import NonFiniteGuard
from mmseg_cosda.models.phases.base import Losses, Phase, Step


def train_on_phases(
    segmentor: Any,
    phases: Iterable[Phase],
    step: Step,
    optim_wrapper: Any,
    guard: NonFiniteGuard,
    before_step: Callable[[], None] | None = None,
) -> Losses:
    """Run the phases of one iteration, then step the optimizer once.

    Each phase's graph is freed by its own backward pass before the next phase runs.
    The optimizer wrapper counts backward passes to know when it has accumulated
    enough: here an iteration counts once, and all its phases share one loss factor.

    Args:
        segmentor: The model; its ``parse_losses`` sums what is trained on and averages
            what is logged.
        phases: In their order.
        step: The iteration's batch.
        optim_wrapper: The host's ``OptimWrapper`` or one with its interface.
        guard: Looks at losses and gradients before the optimizer moves.
        before_step: Called when the gradients are complete and the optimizer is
            about to step, to average them over processes.

    Returns:
        What is logged; "loss" is the sum over the phases. Of an iteration that the
        guard left out, what is finite and no loss.

    Raises:
        ValueError: If no phase has a loss.
        UserError: If the guard ends the training.
    """
    guard.begin(segmentor)
    logs: Losses = {}
    total: Tensor | None = None
    for phase in phases:
        with optim_wrapper.optim_context(segmentor):
            losses = phase.losses(segmentor, step)
        if not losses:
            continue
        trained = any("loss" in key for key in losses)
        loss, parsed = segmentor.parse_losses(losses)
        parsed.pop("loss")
        parsed = {key: value.detach() for key, value in parsed.items()}
        logs.update(parsed)
        guard.add_losses(parsed)
        del losses, parsed
        if not trained:
            continue
        if total is not None:
            count_as_same_iteration(optim_wrapper)
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        total = loss.detach() if total is None else total + loss.detach()
        del loss
    if total is None:
        raise ValueError(
            "no phase of this iteration has a loss to train on: see model.phases"
        )
    if not guard.allows_step(segmentor, step, optim_wrapper):
        optim_wrapper.zero_grad()  # of the accumulation, what is finite went too
        return {k: v for k, v in logs.items() if "loss" not in k and v.isfinite().all()}
    if optim_wrapper.should_update():
        if before_step is not None:
            before_step()
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return {"loss": total, **logs}


def count_as_same_iteration(optim_wrapper: Any) -> None:
    """Let the next backward pass count for an iteration that has been counted.

    The host's ``OptimWrapper`` takes each backward pass for an iteration, and has no
    public way to say otherwise.

    Args:
        optim_wrapper: The host's wrapper, or ``JointOptimWrapper``.
    """
    optim_wrapper._inner_count -= 1
