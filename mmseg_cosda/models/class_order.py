"""Rows in the order of their classes, without a host sync; imports torch alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class ClassOrder(NamedTuple):
    """Rows sorted by class, those of no class last.

    Args:
        rows: Index of each row, (N,) int64.
        classes: Its class, C for those of no class, (N,) int64.
        rank: Its place among the rows of its class, (N,) int64.
        starts: Where each class starts, (C + 1,) int64; the last entry is the number
            of rows of any class.
    """

    rows: Tensor
    classes: Tensor
    rank: Tensor
    starts: Tensor


def sort_by_class(labels: Tensor, num_classes: int) -> ClassOrder:
    """Sort rows by class, stably, without a host sync.

    Args:
        labels: Class of each row, (N,) integers; outside [0, C) it has none.
        num_classes: C.

    Returns:
        The order.

    Examples:
        >>> order = sort_by_class(torch.tensor([1, 255, 0, 1]), 2)
        >>> order.rows.tolist(), order.classes.tolist()
        ([2, 0, 3, 1], [0, 1, 1, 2])
        >>> order.rank.tolist(), order.starts.tolist()
        ([0, 0, 1, 0], [0, 1, 3])
    """
    labels = labels.long()
    known = (labels >= 0) & (labels < num_classes)
    classes, rows = torch.where(known, labels, num_classes).sort(stable=True)
    every = torch.arange(num_classes + 1, device=labels.device)
    starts = torch.searchsorted(classes, every)
    rank = torch.arange(len(labels), device=labels.device) - starts[classes]
    return ClassOrder(rows, classes, rank, starts)


def tile_by_class(
    labels: Tensor, num_classes: int, length: int
) -> tuple[Tensor, Tensor]:
    """Cut rows into tiles of one class each, without a host sync.

    Each class is padded to whole tiles; N // length + C tiles always suffice.

    Args:
        labels: Class of each row, (N,) integers; rows outside [0, C) are left out.
        num_classes: C.
        length: Rows of a tile, B.

    Returns:
        The rows of each tile, (G, B) int64, N where padded, and its class, (G,).

    Examples:
        >>> tile_by_class(torch.tensor([1, 255, 0, 1, 1]), 2, length=2)
        (tensor([[2, 5], [0, 3], [4, 5], [5, 5]]), tensor([0, 1, 1, 1]))
    """
    order = sort_by_class(labels, num_classes)
    sizes = order.starts.diff()
    tiles = (sizes + length - 1) // length
    ends = tiles.cumsum(0)
    index = torch.arange(len(labels) // length + num_classes, device=labels.device)
    # Tiles behind the last class's end are padding: past its size, in its name.
    owner = torch.searchsorted(ends, index, right=True).clamp(max=num_classes - 1)
    first = (index - (ends - tiles)[owner]) * length
    rank = first[:, None] + torch.arange(length, device=labels.device)
    place = order.starts[owner, None] + rank
    # A last entry, N, for the padding.
    rows = F.pad(order.rows, (0, 1), value=len(labels))
    return rows[torch.where(rank < sizes[owner, None], place, -1)], owner


def take_rows(features: Tensor, rows: Tensor) -> Tensor:
    """Gather rows (n,) of features (N, K) in the memory layout that these have."""
    if _is_map(features):
        return features.t().index_select(1, rows).t()
    return features.index_select(0, rows)


def put_rows(out: Tensor, rows: Tensor, values: Tensor) -> None:
    """Write values (n, K) to rows (n,) of ``out``, (N, K), in its memory layout."""
    if _is_map(out):
        out.t().index_copy_(1, rows, values.t())
    else:
        out.index_copy_(0, rows, values)


def _is_map(rows: Tensor) -> bool:
    """Tell whether rows are the view of a map (K, h, w): neighbours lie together."""
    return rows.stride(0) < rows.stride(1)
