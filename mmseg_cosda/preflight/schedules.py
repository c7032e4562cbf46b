"""Facts of a training: its loop, its sampler, its learning rate, what starts late."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.optim import CosineAnnealingLR, PolyLR
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import RandomSampler

from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.preflight.facts import ScheduleFacts, TrainingFacts
from mmseg_cosda.preflight.networks import late_starts

ENDLESS = 10**9
"""The host's end of a scheduler whose config names none."""


def training_facts(runner: Any, model: Any) -> TrainingFacts:
    """Look at a Runner that trains.

    Args:
        runner: With a built training loop.
        model: The segmentor that it trains.

    Returns:
        The facts.
    """
    loop, loader = runner.train_loop, runner.train_loop.dataloader
    dataset, sampler = loader.dataset, loader.sampler
    pairs = isinstance(dataset, DomainPairDataset)
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    max_iters = None if by_epoch else getattr(loop, "max_iters", None)
    return TrainingFacts(
        pairs=pairs,
        target_labels=dataset.target_labels if pairs else "pseudo",
        loop=type(loop).__name__,
        by_epoch=by_epoch,
        sampler=type(sampler).__name__,
        shuffle=bool(getattr(sampler, "shuffle", isinstance(sampler, RandomSampler))),
        max_iters=max_iters,
        schedules=()
        if max_iters is None
        else tuple(_schedules(runner.param_schedulers, max_iters)),
        starts=late_starts(model),
    )


def _schedules(schedulers: Any, max_iters: int) -> Iterator[ScheduleFacts]:
    if isinstance(schedulers, dict):
        for each in schedulers.values():
            yield from _schedules(each, max_iters)
        return
    for index, scheduler in enumerate(schedulers or ()):
        end = getattr(scheduler, "end", ENDLESS)
        if getattr(scheduler, "by_epoch", True) or end >= ENDLESS:
            continue
        yield ScheduleFacts(
            key=f"param_scheduler[{index}]",
            type=type(scheduler).__name__,
            end=end,
            final=rate_at(scheduler, min(max_iters, end)),
            planned=rate_at(scheduler, end),
        )


def rate_at(scheduler: Any, iteration: int) -> float | None:
    """Return the first parameter group's rate in an iteration.

    Args:
        scheduler: A scheduler of mmengine.
        iteration: From 1, within its ``begin`` and ``end``.

    Returns:
        The rate, of a poly or a cosine schedule; None for others.
    """
    if not getattr(scheduler, "base_values", None):
        return None
    base, eta_min = scheduler.base_values[0], getattr(scheduler, "eta_min", None)
    if eta_min is None or iteration <= scheduler.begin:
        return None
    passed = iteration - 1 - scheduler.begin
    if isinstance(scheduler, PolyLR):
        share = min(passed / max(scheduler.total_iters, 1), 1.0)
        return float((base - eta_min) * (1 - share) ** scheduler.power + eta_min)
    if isinstance(scheduler, CosineAnnealingLR):
        angle = math.pi * passed / scheduler.T_max
        return float(eta_min + (base - eta_min) * (1 + math.cos(angle)) / 2)
    return None
