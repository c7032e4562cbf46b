"""The losses of decode heads: the host's, without its host syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.losses.cross_entropy_loss import cross_entropy
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.segmentors.class_weights import (
    criteria,
    pixel_weights,
    refuse_class_weights,
)

Losses = dict[str, Tensor]

_EPS = torch.finfo(torch.float32).eps  # the host's guard against empty images


def image_losses(
    head: Any,
    logits: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
    divisor: str | None = None,
    truth: Tensor | None = None,
) -> Losses:
    r"""Return one image's losses and pixel accuracy, the values of the host's.

    .. math::
        L_{seg} = - \frac{1}{|\{i: y_i \ne 255\}|} \sum_{i: y_i \ne 255}
            w_i \log \mathrm{softmax}(p_i)_{y_i} \qquad \text{(eq. 1, 2)}

    with w = 1 where no weight is given. The divisor is the number of pixels with a
    label, or with "all" that of all pixels, as DACS and DAFormer have it.

    With the host's ``class_weight`` v it is the weighted mean that torch computes,
    \sum_i v_{y_i} l_i / \sum_i v_{y_i} over the pixels i with a label, where the
    host's own code raises an IndexError with ``avg_non_ignore`` (and in older
    versions always, if any pixel is ignored). v is 1 where a label is no ``truth``.

    ``BaseDecodeHead.loss_by_feat`` asks the device four times for a number of pixels,
    sorts every pixel's classes for its accuracy and takes no weights. Where a head
    uses it as it is, with plain cross-entropies, the same is computed here on the
    device; for other heads and losses the host is asked.

    Args:
        head: A decode head of the host.
        logits: Its output for one image, (1, C, h, w).
        label: The image's labels, (1, H, W) int64.
        weight: What each pixel counts, w, (1, H, W) float32; None for 1.
        divisor: "valid", "all", or None for what the head's ``avg_non_ignore`` says
            of each loss: True divides by the pixels with a label.
        truth: Which pixels ``class_weight`` counts for, (1, H, W) bool or what
            broadcasts to it; None for all.

    Returns:
        The head's losses by name and ``acc_seg``, in percent, (1,).

    Raises:
        ValueError: If ``class_weight`` has not one value per class, or a weight or
            divisor is given to a head with losses of its own, or such a loss
            has a ``class_weight`` that the host's code fails on.
    """
    if not is_plain(head):
        if weight is not None or divisor is not None:
            raise ValueError(
                f"model.decode_head: {type(head).__name__} with "
                f"loss_decode={head.loss_decode} and sampler={head.sampler} takes no "
                "pixel weights, which this training needs; give "
                'loss_decode=dict(type="CrossEntropyLoss") and no sampler'
            )
        if truth is not None:
            raise ValueError(
                f"model.decode_head: the class_weight of "
                f"loss_decode={head.loss_decode} can't be left out for labels that "
                "are guessed, because this loss is the host's own; give "
                "model.phases.target.class_weight=True, which counts it for them too"
            )
        refuse_class_weights(head, label)
        sample = SegDataSample(gt_sem_seg=PixelData(data=label))
        losses: Losses = head.loss_by_feat(logits, [sample])
        return losses
    if logits.shape[2:] != label.shape[1:]:
        logits = F.interpolate(
            logits, label.shape[1:], mode="bilinear", align_corners=head.align_corners
        )
    valid = label != head.ignore_index
    count = valid.sum() + _EPS
    pixels = F.cross_entropy(
        logits, label, reduction="none", ignore_index=head.ignore_index
    )
    if weight is not None:
        pixels = pixels * weight
    losses = {}
    for criterion in criteria(head):
        name = criterion.loss_name
        classes, values = criterion.class_weight, pixels
        if classes is not None:
            balance = pixel_weights(classes, logits, label)
            if truth is not None:
                balance = balance.where(truth, 1)
            balance = balance * valid
            values = balance * pixels
        if divisor == "all":
            mean = values.mean()
        elif classes is not None:
            mean = values.sum() / (balance.sum() + _EPS)
        elif divisor is None and not criterion.avg_non_ignore:
            mean = values.mean()
        else:
            mean = values.sum() / count
        loss = criterion.loss_weight * mean
        losses[name] = losses[name] + loss if name in losses else loss
    right = (_is_largest(logits.detach(), label) & valid).sum() + _EPS
    losses["acc_seg"] = (right * 100 / count).view(1)
    return losses


def _is_largest(logits: Tensor, label: Tensor) -> Tensor:
    """Return where a label's logit is the largest, (1, H, W).

    ``argmax`` takes 10 times as long.

    Labels that no class has may come out either way.
    """
    index = label.clamp(0, logits.shape[1] - 1).unsqueeze(1)
    return logits.gather(1, index).squeeze(1) >= logits.amax(dim=1)


def is_plain(head: Any) -> bool:
    """Return whether a head's loss is a mean cross-entropy over pixels."""
    return (
        type(head).loss_by_feat is BaseDecodeHead.loss_by_feat
        and head.sampler is None
        and all(_is_plain_criterion(each) for each in criteria(head))
    )


def _is_plain_criterion(criterion: Any) -> bool:
    return (
        type(criterion) is CrossEntropyLoss
        and criterion.cls_criterion is cross_entropy
        and criterion.reduction == "mean"
    )


def stack_labels(
    samples: list[Any], name: str, missing: int | None = None
) -> Tensor | None:
    """Return a domain's labels, (B, H, W) int64, None if it has none.

    Args:
        samples: The ``SegDataSample`` of each image, of one size where labelled.
        name: Of the domain, for the error.
        missing: The label of all pixels of an image without labels, where others have
            some; None where that is an error.

    Raises:
        ValueError: If some images have labels, some have none, and ``missing`` is
            None.
    """
    labels = [s.gt_sem_seg.data if "gt_sem_seg" in s else None for s in samples]
    given = [label for label in labels if label is not None]
    if not given:
        return None
    if len(given) < len(labels):
        if missing is None:
            raise ValueError(
                f"some images of a {name} batch have labels and some have none; use "
                "one pipeline for the whole domain"
            )
        nothing = torch.full_like(given[0], missing)
        given = [nothing if label is None else label for label in labels]
    # One image's labels are a view: they live as long as the phase's graph.
    return (given[0] if len(given) == 1 else torch.cat(given)).long()


def per_image_losses(
    head: Any,
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    divisor: str | None = None,
    labelled: Sequence[bool] | None = None,
    truth: Tensor | None = None,
) -> Losses:
    """Average the head's losses over the images of a batch.

    An image without labels has the loss 0, as one whose pixels are all ignored has: so
    the average of several processes, or of accumulated batches, is that of one large
    batch, whichever of the images have labels. Accuracies are averaged over the images
    that have some.

    Args:
        head: A decode head of the host.
        logits: Its output, (B, C, h, w).
        labels: (B, H, W) int64.
        weight: What each pixel counts, (B, H, W) float32; None for 1.
        divisor: See :func:`image_losses`.
        labelled: Which images have labels, one of them at least; None for all.
        truth: Which pixels ``class_weight`` counts for, (B, H, W) bool or (B, 1, 1);
            None for all.

    Returns:
        Losses and accuracy by name.
    """
    losses = [
        image_losses(
            head,
            logits[i : i + 1],
            labels[i : i + 1],
            None if weight is None else weight[i : i + 1],
            divisor,
            None if truth is None else truth[i : i + 1],
        )
        for i in range(len(labels))
        if labelled is None or labelled[i]
    ]
    if len(labels) == 1:
        return losses[0]
    share = len(losses) / len(labels)
    averages: Losses = {}
    for key in losses[0]:
        average = torch.stack([each[key] for each in losses]).mean(dim=0)
        averages[key] = average * share if "loss" in key and share < 1 else average
    return averages
