"""``class_weight`` of the host's losses: whether it is there, and where it fails."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import mmseg
import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.losses.cross_entropy_loss import cross_entropy
from torch import Tensor


def criteria(head: Any) -> list[Any]:
    """Return a head's losses."""
    several = isinstance(head.loss_decode, torch.nn.ModuleList)
    return list(head.loss_decode) if several else [head.loss_decode]


def has_class_weights(head: Any) -> bool:
    """Return whether any of a head's losses weighs classes."""
    return any(
        getattr(each, "class_weight", None) is not None for each in criteria(head)
    )


def pixel_weights(weights: Sequence[float], logits: Tensor, label: Tensor) -> Tensor:
    """Return the weight of each pixel's class.

    Args:
        weights: One per class.
        logits: (1, C, H, W), for its dtype and device.
        label: (1, H, W) int64.

    Returns:
        (1, H, W); anything for ignored pixels.

    Raises:
        ValueError: If there is not one weight per class.
    """
    classes = logits.shape[1]
    if len(weights) != classes:
        raise ValueError(
            f"class_weight={list(weights)} of loss_decode has {len(weights)} values, "
            f"but the head has {classes} classes; write one per class"
        )
    return logits.new_tensor(weights)[label.clamp(0, classes - 1)]


def refuse_class_weights(head: Any, label: Tensor) -> None:
    """Say that the host's own code would fail on class weights.

    Args:
        head: A decode head of the host.
        label: The labels that it would be trained on, (1, H, W) int64.

    Raises:
        ValueError: If it would; names the options and the cure.
    """
    for each in criteria(head):
        if (
            isinstance(each, CrossEntropyLoss)
            and each.cls_criterion is cross_entropy
            and each.class_weight is not None
            and each.reduction == "mean"
        ):
            ignored = bool((label == head.ignore_index).any())
            if host_takes_class_weights(each.avg_non_ignore, ignored):
                continue
            raise ValueError(
                f"model.decode_head: with sampler={head.sampler} and such a "
                f"loss_decode the loss is the host's own, and mmseg "
                f"{mmseg.__version__} fails on class_weight with avg_non_ignore="
                f"{each.avg_non_ignore}"
                + (" where pixels are ignored" if ignored else "")
                + ": leave class_weight out, or the sampler and losses of other types"
            )


@functools.cache
def host_takes_class_weights(avg_non_ignore: bool, ignored: bool) -> bool:
    """Return whether the host's cross-entropy can weigh classes.

    Args:
        avg_non_ignore: Of the loss.
        ignored: Whether some pixels have no label.

    Returns:
        False of mmseg 1.2.2 with ignored pixels, which it looks up among the weights,
        and of onedl-mmsegmentation 1.4.2 with ``avg_non_ignore``.

    Examples:
        >>> host_takes_class_weights(avg_non_ignore=False, ignored=False)
        True
    """
    classes = 2
    label = torch.tensor([[[0, classes if ignored else 1]]])
    logits, weight = torch.zeros(1, classes, 1, 2), torch.ones(classes)
    options = {"ignore_index": classes, "avg_non_ignore": avg_non_ignore}
    try:
        cross_entropy(logits, label, class_weight=weight, **options)
    except IndexError:
        return False
    return True
