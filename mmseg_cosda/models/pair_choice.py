"""Which pairs of a row count when only the most similar do; imports torch alone."""

from __future__ import annotations

import torch
from torch import Tensor


def limits(top_k: int | None, rows: int) -> bool:
    """Tell whether at most ``top_k`` of so many pairs leaves one out."""
    return top_k is not None and top_k < rows


def choose_pairs(similarity: Tensor, threshold: float, top_k: int) -> Tensor:
    """Choose the k largest similarities of each row among those above the threshold.

    Of equal ones those that stand first count, on every device alike; ``torch.topk``
    alone leaves that open. There is no host sync.

    Args:
        similarity: M, (..., Q); -inf where there is no pair.
        threshold: T_cos.
        top_k: k, at most Q.

    Returns:
        Whether each pair counts, (..., Q) bool: at most k of a row.

    Examples:
        >>> M = torch.tensor([[0.7, 0.9, 0.7, 0.1], [0.2, 0.6, 0.3, 0.1]])
        >>> choose_pairs(M, 0.5, 2).int().tolist()
        [[1, 1, 0, 0], [0, 1, 0, 0]]
    """
    kth = similarity.topk(top_k, dim=-1, sorted=False).values.amin(-1, keepdim=True)
    above, tied = similarity > kth, similarity == kth
    room = top_k - above.sum(dim=-1, keepdim=True, dtype=torch.int32)
    first = tied & (tied.cumsum(dim=-1, dtype=torch.int32) <= room)
    return (above | first) & (similarity > threshold)
