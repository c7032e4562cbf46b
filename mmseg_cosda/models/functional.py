"""The paper's tensor maths: torch alone, no modules, no state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from mmseg_cosda.models.label_split import (
    augment_pseudo_labels,
    confident_predictions,
    resize_labels,
    split_source,
)
from mmseg_cosda.models.loss_checks import check_features, check_queue, check_top_k
from mmseg_cosda.models.one_pass import (
    Kernel,
    MatchStatistics,
    by_segments,
    one_pass,
)
from mmseg_cosda.models.precision import compute_dtype
from mmseg_cosda.models.repulsion import class_means, class_repulsion_loss
from mmseg_cosda.models.tiles import by_tiles

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
        top_k: Of each row's pairs above T_cos only the so many most similar count,
            among equal ones those that stand first in the queue; None, eq. 10's, for
            all. A departure: section 3.2 speaks of the most similar features, eq. 10
            has the threshold alone.

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
    check_features(features, labels, threshold, reduction)
    check_top_k(top_k)
    check_queue(features, queue, counts)
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
            top_k=top_k,
        )
    else:
        blocks = [rows[:n] for rows, n in zip(queue, counts.tolist(), strict=True)]
        kernel = partial(
            by_segments,
            blocks=blocks,
            threshold=threshold,
            unit=queue_is_normalized,
            dtype=dtype,
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
        top_k: At most so many pairs of each row, the most similar; None for all.

    Returns:
        The loss, a scalar, and the statistics.

    Raises:
        ValueError: If a shape, a dtype, the threshold, the reduction or top_k is wrong.

    Source: section 4.4 of the paper, "w/o Dictionary", "w/o Class-wise Split".
    """
    check_features(features, labels, threshold, reduction)
    check_top_k(top_k)
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
        top_k=top_k,
    )
    return one_pass(features, labels, counts, kernel, reduction)
