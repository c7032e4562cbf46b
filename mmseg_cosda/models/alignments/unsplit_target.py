"""Target features against the queues of all classes: process A without process B."""

from __future__ import annotations

import torch
from torch import Tensor

from mmseg_cosda.models.functional import (
    MatchStatistics,
    class_wise_cosine_loss_with_statistics,
)


def cosine_loss_to_all_classes(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    reduction: str = "mean",
    *,
    top_k: int | None = None,
) -> tuple[Tensor, MatchStatistics]:
    r"""Return eq. 10 with one class that holds the source features of all.

    .. math::
        L_{cos} = \big\| \hat{M} - 1 \big\|_1^1, \qquad
        M = \frac{T^T D}{\|T\|_2^T \|D\|_2}, \qquad D = [D^1, \dots, D^C]

    over the pairs with M > T_cos. The whole queue is compared, without a host sync: its
    empty rows have M = 0, and no threshold from 0 on selects them.

    Args:
        features: T, (N, K) floating point.
        labels: Class of each row, (N,); of those in [0, C) it doesn't matter which,
            others are ignored.
        queue: D, (C, Q, K): each valid row of unit norm, each other zero, as
            ``ClassFeatureQueue`` keeps them.
        counts: Valid rows of each class, (C,) integers.
        threshold: T_cos in [0, 1].
        reduction: "mean" or "sum" over the selected pairs.
        top_k: At most this many pairs of each row, the most similar; None for all.

    Returns:
        The loss, a scalar, and the statistics, (1,) each, which count valid rows alone.

    Examples:
        >>> queue = torch.tensor([[[0.8, 0.6], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
        >>> loss, found = cosine_loss_to_all_classes(
        ...     torch.tensor([[2.0, 0.0]]), torch.tensor([0]), queue,
        ...     torch.tensor([1, 2]), 0.5,
        ... )
        >>> round(loss.item(), 4), found.selected.item(), found.pairs.item()
        (0.1, 2, 3)

    Source: a departure from section 3.2 of the paper, between eq. 10 and Table 4's
    "w/o Class-wise Split", which drops process A too.
    """
    classes, capacity, _ = queue.shape
    known = (labels >= 0) & (labels < classes)
    size = classes * capacity
    loss, found = class_wise_cosine_loss_with_statistics(
        features,
        torch.where(known, 0, -1),
        queue.reshape(1, size, -1),
        torch.full_like(counts[:1], size),
        threshold,
        reduction,
        queue_is_normalized=True,
        top_k=top_k,
    )
    return loss, found._replace(pairs=found.pairs // size * counts.sum())
