"""The paper's tensor maths, eq. 6 to 10: torch alone, no modules, no state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.fused.autograd import MatchStatistics, Pass, one_pass
from mmseg_cosda.models.fused.checks import check_blocks, check_features, check_queue
from mmseg_cosda.models.fused.primitives import compute_dtype
from mmseg_cosda.models.fused.repulsion import class_means, class_repulsion_loss
from mmseg_cosda.models.fused.segments import by_segments
from mmseg_cosda.models.fused.tiles import by_tiles

__all__ = [
    "MatchStatistics",
    "augment_pseudo_labels",
    "class_means",
    "class_repulsion_loss",
    "class_wise_cosine_loss",
    "class_wise_cosine_loss_from_blocks",
    "class_wise_cosine_loss_with_statistics",
    "confident_predictions",
    "resize_labels",
    "split_source",
]


def split_source(predictions: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Keep the class of the correctly classified pixels (process A, eq. 6 and 17).

    Args:
        predictions: argmax of the source's logits p, integers of any shape.
        labels: Ground truth, resized to the same shape.
        ignore_index: The label that no class has.

    Returns:
        c_hat: the class where both agree, else the ignore index.

    Source: section 3.2 of the paper.

    Examples:
        >>> split_source(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 255]), 255)
        tensor([  0, 255, 255])
    """
    return torch.where(predictions == labels, labels, ignore_index)


def confident_predictions(
    logits: Tensor, min_confidence: float, ignore_index: int
) -> Tensor:
    r"""Predict each pixel's class, and none where the network is not sure.

    .. math::
        c_{max} = \arg\max_c p_c \text{ where } \max_c \mathrm{softmax}(p)_c \ge
        \text{min\_confidence}

    Args:
        logits: p, (B, C, h, w) floating point.
        min_confidence: Smallest probability of the predicted class that is trusted,
            in [0, 1]; 0, the paper's, trusts all.
        ignore_index: The label of pixels that are not trusted.

    Returns:
        The classes, (B, h, w) int64.

    Examples:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).log_softmax(0)
        >>> confident_predictions(logits.view(1, 2, 1, 2), 0.8, 255)
        tensor([[[  0, 255]]])
    """
    predictions = logits.argmax(dim=1)
    if min_confidence <= 0:
        return predictions
    wide = torch.promote_types(logits.dtype, torch.float32)
    confidence = logits.softmax(dim=1, dtype=wide).amax(dim=1)
    return torch.where(confidence < min_confidence, ignore_index, predictions)


def augment_pseudo_labels(
    pseudo_labels: Tensor, predictions: Tensor, ignore_index: int
) -> Tensor:
    """Fill a pseudo-label's ignored pixels with the prediction (eq. 7 and 18).

    Without pseudo-labels the prediction itself splits the target (process B, eq. 8).

    Args:
        pseudo_labels: y, resized to the predictions' shape.
        predictions: argmax of the target's current logits, integers.
        ignore_index: The label of pixels that were not confident enough.

    Returns:
        The augmented pseudo-label.

    Source: section 3.2 of the paper.

    Examples:
        >>> augment_pseudo_labels(torch.tensor([3, 255]), torch.tensor([1, 2]), 255)
        tensor([3, 2])
    """
    return torch.where(pseudo_labels == ignore_index, predictions, pseudo_labels)


def resize_labels(
    labels: Tensor, size: tuple[int, int], padding: int = 0, ignore_index: int = -1
) -> Tensor:
    """Resize label maps to a feature map, nearest (I_nearest of section 3.2).

    The pixels are those of ``F.interpolate(mode="nearest")``, whatever the dtype.

    Args:
        labels: Classes or predictions, (B, H, W) of any dtype.
        size: (h, w) of the feature map.
        padding: Pixels of ignored border around the labels before they are resized,
            for networks that pad their input (FCN-8s: 100); 0, the paper's, resizes
            straight.
        ignore_index: The label of that border.

    Returns:
        The labels, (B, h, w).

    Raises:
        ValueError: If the labels are not (B, H, W) or empty, or padding is negative.

    Examples:
        >>> resize_labels(torch.arange(4).view(1, 1, 4), (1, 2))
        tensor([[[0, 2]]])
    """
    if labels.ndim != 3 or 0 in labels.shape[1:]:
        raise ValueError(f"labels of shape {tuple(labels.shape)}: expected (B, H, W)")
    if padding < 0:
        raise ValueError(f"padding={padding} must not be negative")
    if padding:
        labels = F.pad(labels, [padding] * 4, value=ignore_index)
    for dim, length in zip((1, 2), size, strict=True):
        pixels = torch.arange(
            labels.shape[dim], dtype=torch.float32, device=labels.device
        )
        index = F.interpolate(pixels[None, None], size=length, mode="nearest")
        labels = labels.index_select(dim, index[0, 0].long())
    return labels


def class_wise_cosine_loss(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    reduction: str = "mean",
    *,
    top_k: int | None = None,
) -> Tensor:
    r"""Class-wise cosine similarity loss between target features and a queue.

    .. math::
        M^c = \frac{{T^c}^T D^c}{\|T^c\|_2^T \|D^c\|_2} \quad \text{(eq. 9)}, \qquad
        L_{cos} = \frac{1}{C} \sum_{c=1}^{C}
            \big\| \hat{M}^c - 1 \big\|_1^1 \quad \text{(eq. 10)}

    over the pairs with M^c > T_cos. The comparison is in float32 (float64 for float64
    inputs), under autocast too; sums are in float64.

    Args:
        features: Target features T, (N, K) floating point; gradients flow into them
            alone. Rows of a map (K, h, w) may come as the view
            ``map.flatten(1).t()``.
        labels: Class of each row, (N,) integers; rows outside [0, C) are ignored.
        queue: Source features D, (C, Q, K) floating point of any norm.
        counts: Valid leading rows of each class's queue, (C,) integers.
        threshold: T_cos in [-1, 1]; the paper's 0.2 to 0.6 by task and network.
        reduction: "mean" or "sum" over the selected pairs of a class. Eq. 10 writes a
            sum; over some 10^7 pairs it would drown the cross-entropy at the paper's
            weight of 0.01, so that a mean is assumed.
        top_k: At most this many of each row's pairs above T_cos count, the most
            similar, among equal ones those that stand first in the queue; None,
            eq. 10's, for all. A departure: section 3.2 speaks of the most similar
            features, eq. 10 has the threshold alone.

    Returns:
        The loss, a scalar; zero, with a graph, where nothing is selected.

    Raises:
        ValueError: If a shape, a dtype, the threshold, the reduction or top_k is wrong.

    Source: section 3.2 of the paper; Table 6 for the thresholds.

    Examples:
        >>> import torch
        >>> features = torch.tensor([[2.0, 0.0], [0.0, 1.0]], requires_grad=True)
        >>> queue = torch.tensor([[[0.8, 0.6], [-1.0, 0.0]]])  # C=1, Q=2, K=2
        >>> loss = class_wise_cosine_loss(
        ...     features, torch.tensor([0, 255]), queue, torch.tensor([2]), 0.5
        ... )
        >>> round(loss.item(), 4)  # only 0.8 of {0.8, -1} exceeds 0.5
        0.2
    """
    return class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, threshold, reduction, top_k=top_k
    )[0]


def class_wise_cosine_loss_with_statistics(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    reduction: str = "mean",
    *,
    queue_is_normalized: bool = False,
    sync_free: bool | None = None,
    top_k: int | None = None,
) -> tuple[Tensor, MatchStatistics]:
    """Return :func:`class_wise_cosine_loss` (eq. 10) and what was matched.

    Args:
        features: As there.
        labels: As there.
        queue: As there.
        counts: As there.
        threshold: As there.
        reduction: As there.
        queue_is_normalized: Whether each valid row of the queue is known to have
            unit norm and each other row to be zero, as ``ClassFeatureQueue`` keeps
            them; saves a pass over it.
        sync_free: Whether to compare fixed-size tiles, which needs no host sync but
            pads each class to whole tiles, or exact segments in small chunks, which
            needs one sync and the least memory. None: tiles on an accelerator,
            segments on a CPU.
        top_k: As there.

    Returns:
        The loss and the statistics, which no host sync was spent on.

    Raises:
        ValueError: As there.
    """
    check_features(features, labels, threshold, reduction, top_k)
    check_queue(features, queue, counts)
    counts = counts.clamp(0, queue.shape[1])
    if sync_free is None:
        sync_free = features.device.type != "cpu"
    kernel: Callable[..., Pass]
    if sync_free:
        kernel = partial(by_tiles, queue=queue, counts=counts)
    else:
        blocks = [rows[:n] for rows, n in zip(queue, counts.tolist(), strict=True)]
        kernel = partial(by_segments, blocks=blocks)
    kernel = partial(
        kernel,
        threshold=threshold,
        unit=queue_is_normalized,
        dtype=compute_dtype(features, queue),
        top_k=top_k,
    )
    return one_pass(features, labels, counts, kernel, reduction)


def class_wise_cosine_loss_from_blocks(
    features: Tensor,
    labels: Tensor,
    blocks: Sequence[Tensor],
    threshold: float,
    reduction: str = "mean",
    *,
    top_k: int | None = None,
) -> tuple[Tensor, MatchStatistics]:
    """Return eq. 10 against source features of any number per class, unpadded.

    What the method does without its dictionary: the current source image's features,
    split by class, or as one class that everything is compared with.

    Args:
        features: Target features T, (N, K).
        labels: Class of each row, (N,); rows outside [0, C) are ignored.
        blocks: D^c, for each of C classes (Q_c, K), each row of unit norm.
        threshold: T_cos in [-1, 1].
        reduction: "mean" or "sum" over the selected pairs of a class.
        top_k: At most this many pairs of each row, the most similar; None for all.

    Returns:
        The loss, a scalar, and the statistics.

    Raises:
        ValueError: If a shape, a dtype, the threshold, the reduction or top_k is wrong.

    Source: section 4.4 of the paper, "w/o Dictionary", "w/o Class-wise Split".
    """
    check_features(features, labels, threshold, reduction, top_k)
    check_blocks(features, blocks)
    counts = torch.tensor([len(block) for block in blocks], device=features.device)
    kernel = partial(
        by_segments,
        blocks=blocks,
        threshold=threshold,
        unit=True,
        dtype=compute_dtype(features, *blocks),
        top_k=top_k,
    )
    return one_pass(features, labels, counts, kernel, reduction)
