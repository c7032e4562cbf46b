"""The paper's tensor maths: torch alone, no modules, no state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.one_pass import (
    Kernel,
    MatchStatistics,
    by_segments,
    by_tiles,
    compute_dtype,
    one_pass,
)

__all__ = [
    "MatchStatistics",
    "augment_pseudo_labels",
    "class_wise_cosine_loss",
    "class_wise_cosine_loss_from_blocks",
    "class_wise_cosine_loss_with_statistics",
    "resize_labels",
    "split_source",
]


def class_wise_cosine_loss(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    reduction: str = "mean",
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

    Returns:
        The loss, a scalar; zero, with a graph, where nothing is selected.

    Raises:
        ValueError: If a shape, a dtype, the threshold or the reduction is wrong.

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
        features, labels, queue, counts, threshold, reduction
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

    Returns:
        The loss and the statistics, which no host sync was spent on.

    Raises:
        ValueError: As there.
    """
    _check_features(features, labels, threshold, reduction)
    _check_queue(features, queue, counts)
    counts = counts.clamp(0, queue.shape[1])
    if sync_free is None:
        sync_free = features.device.type != "cpu"
    dtype = compute_dtype(features, queue)
    kernel: Kernel
    if sync_free:
        kernel = partial(
            by_tiles,
            queue=queue,
            counts=counts,
            threshold=threshold,
            unit=queue_is_normalized,
            dtype=dtype,
        )
    else:
        blocks = [rows[:n] for rows, n in zip(queue, counts.tolist(), strict=True)]
        kernel = partial(
            by_segments,
            blocks=blocks,
            threshold=threshold,
            unit=queue_is_normalized,
            dtype=dtype,
        )
    return one_pass(features, labels, counts, kernel, reduction)


def class_wise_cosine_loss_from_blocks(
    features: Tensor,
    labels: Tensor,
    blocks: Sequence[Tensor],
    threshold: float,
    reduction: str = "mean",
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

    Returns:
        The loss, a scalar, and the statistics.

    Raises:
        ValueError: If a shape, a dtype, the threshold or the reduction is wrong.

    Source: section 4.4 of the paper, "w/o Dictionary", "w/o Class-wise Split".
    """
    _check_features(features, labels, threshold, reduction)
    if not blocks:
        raise ValueError("blocks is empty: give one (Q_c, K) tensor per class")
    for c, block in enumerate(blocks):
        if block.ndim != 2 or block.shape[1] != features.shape[1]:
            raise ValueError(
                f"blocks[{c}] has shape {tuple(block.shape)}, expected (Q_c, "
                f"{features.shape[1]}), the channels of features"
            )
    counts = torch.tensor([len(block) for block in blocks], device=features.device)
    kernel = partial(
        by_segments,
        blocks=blocks,
        threshold=threshold,
        unit=True,
        dtype=compute_dtype(features, *blocks),
    )
    return one_pass(features, labels, counts, kernel, reduction)


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


def _check_features(
    features: Tensor, labels: Tensor, threshold: float, reduction: str
) -> None:
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"features of shape {tuple(features.shape)} and {features.dtype}: expected "
            "floating-point rows (N, K)"
        )
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)}: expected ({len(features)},), one "
            "for each row of features"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels of {labels.dtype}: expected integers")
    if not -1 <= threshold <= 1:
        raise ValueError(
            f"threshold={threshold} is no cosine similarity, choose a value in [-1, 1]"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r}, choose 'mean' or 'sum'")


def _check_queue(features: Tensor, queue: Tensor, counts: Tensor) -> None:
    if queue.ndim != 3 or queue.shape[2] != features.shape[1] or len(queue) == 0:
        raise ValueError(
            f"queue of shape {tuple(queue.shape)}: expected (C, Q, "
            f"{features.shape[1]}), the channels of features last"
        )
    if not queue.is_floating_point():
        raise ValueError(f"queue of {queue.dtype}: expected floating point")
    if counts.shape != queue.shape[:1] or counts.is_floating_point():
        raise ValueError(
            f"counts of shape {tuple(counts.shape)} and {counts.dtype}: expected "
            f"integers ({len(queue)},), one for each class"
        )
