"""What both kernels are made of: class order, precision, unit norm, choice of pairs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

# A shorter vector has no direction: similar to nothing, and without a gradient.
EPS = 1e-12


class ClassOrder(NamedTuple):
    """Rows sorted by class, those of no class last.

    Args:
        rows: Index of each row, (N,) int64.
        classes: Its class, C for those of no class, (N,) int32.
        starts: Where each class starts, (C + 1,) int64; the last entry is the number
            of rows of any class.
        sizes: Rows of each class, (C,) int64.
    """

    rows: Tensor
    classes: Tensor
    starts: Tensor
    sizes: Tensor


def sort_by_class(labels: Tensor, num_classes: int) -> ClassOrder:
    """Sort rows by class, stably, without a host sync.

    Args:
        labels: Class of each row, (N,) integers; outside [0, C) it has none.
        num_classes: C.

    Returns:
        The order.

    Examples:
        >>> order = sort_by_class(torch.tensor([1, 255, 0, 1]), 2)
        >>> order.rows.tolist(), order.classes.tolist(), order.starts.tolist()
        ([2, 0, 3, 1], [0, 1, 1, 2], [0, 1, 3])
    """
    labels = labels.int()  # a radix sort's passes grow with the width of its keys
    known = (labels >= 0) & (labels < num_classes)
    classes, rows = torch.where(known, labels, num_classes).sort(stable=True)
    every = torch.arange(num_classes + 1, dtype=torch.int32, device=labels.device)
    starts = torch.searchsorted(classes, every)
    return ClassOrder(rows, classes, starts, starts.diff())


def take_rows(features: Tensor, rows: Tensor) -> Tensor:
    """Gather rows (n,) of features (N, K) in the memory layout that these have."""
    if is_map(features):
        return features.t().index_select(1, rows).t()
    return features.index_select(0, rows)


def is_map(rows: Tensor) -> bool:
    """Return whether rows are the view of a map (K, h, w): pixels lie together."""
    return rows.stride(0) < rows.stride(1)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Return float64 if a tensor is, else float32: 16 bits would move the choice."""
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if double else torch.float32


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keep autocast from narrowing the products, where the device knows it."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def normalize_(x: Tensor) -> Tensor:
    """Scale x to unit norm over the last dimension, in place, and return 1 / |x|."""
    inverse = inverse_norm(x, x.dtype)
    x.mul_(inverse.unsqueeze(-1))
    return inverse


def inverse_norm(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |x| over the last dimension, 0 for zero vectors."""
    if x.is_contiguous():
        norm = torch.linalg.vector_norm(x, dim=-1, dtype=dtype)
    else:  # the view of a map, whose columns vector_norm walks 15 times slower
        norm = x.to(dtype).square().sum(dim=-1).sqrt_()
    return torch.where(norm < EPS, 0, norm.reciprocal())


def limits(top_k: int | None, rows: int) -> bool:
    """Return whether at most ``top_k`` of this many pairs leaves one out."""
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
