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


def tile_by_class(order: ClassOrder, length: int) -> tuple[Tensor, Tensor]:
    """Cut sorted rows into tiles of one class each, without a host sync.

    Each class is padded to whole tiles; N // length + C tiles always suffice.

    Args:
        order: The rows; those of no class are left out.
        length: Rows of a tile, B.

    Returns:
        The rows of each tile, (G, B) int64, N where padded, and its class, (G,).

    Examples:
        >>> order = sort_by_class(torch.tensor([1, 255, 0, 1, 1]), 2)
        >>> tile_by_class(order, length=2)
        (tensor([[2, 5], [0, 3], [4, 5], [5, 5]]), tensor([0, 1, 1, 1]))
    """
    N, C, device = len(order.rows), len(order.sizes), order.rows.device
    padded = (order.sizes + (length - 1)) // length * length
    ends = padded.cumsum(0)  # of each class, in padded rows
    grid = torch.arange((N // length + C) * length, device=device).view(-1, length)
    # Tiles behind the last class's end are padding: past its size, in its name.
    firsts = grid[:, 0].contiguous()  # a view is copied too, with a warning
    owner = torch.searchsorted(ends, firsts, right=True).clamp(max=C - 1)
    shift = order.starts[:-1] - (ends - padded)
    place = grid + shift[owner, None]
    inside = place < order.starts[1:][owner, None]
    rows = F.pad(order.rows, (0, 1), value=N)  # a last entry for the padding
    return rows[torch.where(inside, place, -1)], owner


def take_rows(features: Tensor, rows: Tensor) -> Tensor:
    """Gather rows (n,) of features (N, K) in the memory layout that these have."""
    if is_map(features):
        return features.t().index_select(1, rows).t()
    return features.index_select(0, rows)


def is_map(rows: Tensor) -> bool:
    """Tell whether rows are the view of a map (K, h, w): neighbours lie together."""
    return rows.stride(0) < rows.stride(1)
