"""A training whose weights are no numbers any more ends, with the images at fault."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.model import is_model_wrapper

from mmseg_cosda.errors import UserError

MOST_NAMED = 4
"""Images of a domain that a message names."""


class TrainedStep(NamedTuple):
    """What is known of a past iteration.

    Args:
        iteration: Its number, from 1.
        images: What it was trained on, by domain.
        loss: The sum of its losses.
    """

    iteration: int
    images: Mapping[str, tuple[str, ...]]
    loss: float


def images_of(batch: Any) -> dict[str, tuple[str, ...]]:
    """Name the images of a batch of training.

    Args:
        batch: Of the data loader: a domain's samples by the domain's name, or one
            domain's.

    Returns:
        Paths or virtual names by domain (``""`` without domains).
    """
    if not isinstance(batch, Mapping):
        return {}
    parts = {"": batch} if "data_samples" in batch else batch
    return {
        str(name): tuple(_paths(part["data_samples"]))
        for name, part in parts.items()
        if isinstance(part, Mapping) and "data_samples" in part
    }


def _paths(samples: Any) -> Iterator[str]:
    for sample in samples:
        yield str(getattr(sample, "metainfo", {}).get("img_path", "?"))


def require_numbers(runner: Any, steps: Sequence[TrainedStep]) -> None:
    """End a training whose loss and weights are no numbers.

    The weights are looked at only after a loss that isn't finite; in mixed precision
    such a step may have been skipped, and all is well.

    Args:
        runner: That trains.
        steps: Those since the last log line, in their order.

    Raises:
        UserError: With the iteration from which the loss is no number, its images and
            the cure.
    """
    bad = [step for step in steps if not math.isfinite(step.loss)]
    if not bad:
        return
    model = runner.model
    model = model.module if is_model_wrapper(model) else model
    weights = model.named_parameters()
    broken = [key for key, value in weights if not bool(value.isfinite().all())]
    if not broken:
        return
    first = bad[0]
    for step in reversed(steps):  # to where the last stretch without a number begins
        if math.isfinite(step.loss):
            break
        first = step
    raise UserError(
        f"the loss is {first.loss} at iteration {first.iteration:,}, and {len(broken)} "
        f"weights hold NaN or infinity since ({broken[0]}, ...): training can't go on. "
        f"Images of that iteration: {_named(first.images)}. If their values are in "
        f"order, lower the learning rate, or clip the gradients "
        f"(optim_wrapper.clip_grad=dict(max_norm=1.0)); checkpoints from before are "
        f"good, and --resume goes on from the last one"
    )


def _named(images: Mapping[str, tuple[str, ...]]) -> str:
    texts = []
    for domain, paths in images.items():
        text = ", ".join(paths[:MOST_NAMED])
        if len(paths) > MOST_NAMED:
            text += f" and {len(paths) - MOST_NAMED} more"
        texts.append(f"{text} ({domain})" if domain else text)
    return "; ".join(texts) or "unknown"
