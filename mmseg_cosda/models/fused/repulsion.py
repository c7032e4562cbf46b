"""Repulsion from the other classes' queues."""

from __future__ import annotations

import torch
from torch import Tensor

from mmseg_cosda.models.fused.primitives import EPS, compute_dtype, without_autocast


@torch.no_grad()
def class_means(queue: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of each class's features, without a host sync.

    Args:
        queue: D, (C, Q, K) of unit norm, of which the first ``counts[c]`` rows of
            class c are valid.
        counts: (C,) integers.

    Returns:
        (C, K), float32 or float64; zero for a class without features.

    Examples:
        >>> queue = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [9.0, 9.0]]])
        >>> class_means(queue, torch.tensor([2, 1])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """
    valid = torch.arange(queue.shape[1], device=queue.device) < counts[:, None]
    dtype = compute_dtype(queue)
    sums = [
        torch.where(live[:, None], rows, 0).sum(dim=0, dtype=dtype)
        for rows, live in zip(queue, valid, strict=True)
    ]
    return torch.stack(sums) / counts.clamp(min=1)[:, None]


def class_repulsion_loss(
    features: Tensor,
    labels: Tensor,
    means: Tensor,
    filled: Tensor,
    margin: float = 0.0,
) -> Tensor:
    r"""Push target features away from what the other classes' queues hold.

    .. math::
        L_{rep} = \frac{1}{|P|} \sum_{(i, c) \in P}
            \max\Big(0, \frac{1}{|D^c|} \sum_{d \in D^c}
            \frac{t_i \cdot d}{\|t_i\|_2 \|d\|_2} - m\Big), \qquad
        P = \{(i, c): c \ne y_i, D^c \ne \emptyset\}

    The mean over a queue of unit-norm features is one product with their mean. Not in
    the paper, whose loss only attracts, and so can pull all classes together.

    Args:
        features: Target features t, (N, K) floating point; gradients flow into them
            alone. Rows of a map (K, h, w) may come as ``map.flatten(1).t()``.
        labels: Class y of each row, (N,) integers; rows outside [0, C) are ignored.
        means: Mean of each class's unit-norm source features, (C, K), see
            :func:`class_means`.
        filled: Whether each class has any, (C,) bool.
        margin: m in [-1, 1], the similarity to another class that costs nothing.

    Returns:
        The loss, a scalar; zero, with a graph, where there is no pair.

    Examples:
        >>> features = torch.tensor([[2.0, 0.0]], requires_grad=True)
        >>> means = torch.tensor([[1.0, 0.0], [0.6, 0.0], [0.2, 0.3]])
        >>> filled = torch.tensor([True, True, True])
        >>> loss = class_repulsion_loss(features, torch.tensor([0]), means, filled, 0.5)
        >>> round(loss.item(), 4)  # (0.1 + 0) / 2
        0.05
    """
    dtype = compute_dtype(features, means)
    known = (labels >= 0) & (labels < len(means))
    with without_autocast(features.device):
        t = torch.where(known[:, None], features, 0).to(dtype)
        square = t.square().sum(dim=1)
        has_direction = square >= EPS**2
        inverse = torch.where(has_direction, square, 1).rsqrt()
        inverse = torch.where(has_direction, inverse, 0)
        similarity = (t @ means.detach().to(dtype).t()) * inverse[:, None]  # (N, C)
    classes = torch.arange(len(means), device=labels.device)
    pairs = known[:, None] & (labels[:, None] != classes) & filled
    terms = torch.where(pairs, (similarity - margin).relu(), 0)
    total = terms.sum(dtype=torch.float64) / pairs.sum().clamp(min=1)
    return total.to(dtype)
