"""One iteration as a sequence of phases, each with a backward pass of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmseg_cosda.randomness import derive_seed

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """A part of an iteration: a batch and its losses.

    Args:
        name: Such as "source" or "target".
        losses: Runs the forward pass; keys that contain "loss" are summed and
            trained on, others are logged. Without any such key nothing is trained.
    """

    name: str
    losses: Callable[[], Losses]


def current_step_seed() -> int | None:
    """Return the seed of this iteration, None outside a Runner.

    Returns:
        A function of (run seed, iteration), the same on all ranks, so that what is
        random in a step is the same whether or not the run was resumed.
    """
    hub = MessageHub.get_current_instance()
    seed, iteration = hub.get_info("seed"), hub.get_info("iter")
    if seed is None or iteration is None:
        return None
    return derive_seed(int(seed), int(iteration))


def train_on_phases(
    model: nn.Module,
    parse_losses: Callable[[Losses], tuple[Tensor, Losses]],
    phases: Iterable[Phase],
    optim_wrapper: Any,
    before_step: Callable[[], None] | None = None,
) -> Losses:
    """Run the phases of one iteration, then step the optimizer once.

    Each phase's graph is freed by its own backward pass before the next phase runs.
    The optimizer wrapper counts backward passes to know when it has accumulated
    enough: here an iteration counts once, and all its phases share one loss factor.

    Args:
        model: The model or its distributed wrapper, for the autocast context.
        parse_losses: The host's: sums what is trained on, averages what is logged.
        phases: Yields the phases; the next is asked for when the last is done.
        optim_wrapper: The host's ``OptimWrapper`` or one with its interface.
        before_step: Called when the gradients are complete and the optimizer is
            about to step, to synchronise them over processes.

    Returns:
        What is logged; "loss" is the sum over the phases.
    """
    logs: Losses = {}
    total: Tensor | None = None
    for phase in phases:
        with optim_wrapper.optim_context(model):
            losses = phase.losses()
        trained = any("loss" in key for key in losses)
        loss, parsed = parse_losses(losses)
        parsed.pop("loss")
        logs.update((key, value.detach()) for key, value in parsed.items())
        del losses, parsed
        if not trained:
            continue
        if total is not None:
            optim_wrapper._inner_count -= 1
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        total = loss.detach() if total is None else total + loss.detach()
        del loss
    if total is None:
        raise ValueError("no phase of this iteration has a loss to train on")
    if optim_wrapper.should_update():
        if before_step is not None:
            before_step()
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return {"loss": total, **logs}
