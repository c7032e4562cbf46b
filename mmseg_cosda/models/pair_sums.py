"""Sums of the queue rows that each target row selects (w D); imports torch alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Columns summed at once: those of 512 queue rows fit the second level of a cache.
_COLUMNS = 128
# What a look-up and a copy cost, in multiplications of a matrix product.
_LOOKUP, _COPY = 3.5, 35.0


def add_selected_rows(
    out: Tensor, w: Tensor, d: Tensor, scale: Tensor | None
) -> Tensor:
    """Add w D to ``out``, the way that costs least for as many pairs as are selected.

    A matrix product takes the same time whatever w holds. Few selected pairs are
    looked up one by one instead; where nearly all are selected, those that are not
    are looked up and taken from the sum of all rows. Only a CPU looks up: elsewhere
    the number of pairs costs a sync.

    Args:
        out: Sums, (n, K), added to.
        w: 1 for the pairs to sum, else 0, (n, Q); overwritten.
        d: Queue rows, (Q, K), all of one dtype.
        scale: Factor of each queue row, (Q,), or None for 1.

    Returns:
        The number of pairs of each row, (n,).

    Examples:
        >>> out, d = torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
        >>> add_selected_rows(out, torch.tensor([[1.0, 0.0]]), d, None), out
        (tensor([1.]), tensor([[1., 0.]]))
    """
    numbers = w.sum(dim=1)
    if w.device.type == "cpu":
        picked, pairs = int(numbers.sum(dtype=torch.float64)), w.numel()
        if _lookup_pays(picked, w):
            _look_up(out, w, numbers, d, scale)
            return numbers
        if _lookup_pays(pairs - picked, w):
            out.add_(d.sum(dim=0) if scale is None else scale @ d)
            _look_up(out, 1 - w, len(d) - numbers, d, scale, sign=-1)
            return numbers
    out.addmm_(w if scale is None else w.mul_(scale), d)
    return numbers


def _lookup_pays(picked: int, w: Tensor) -> bool:
    """Tell whether so many look-ups and a copy of the rows beat a matrix product."""
    return picked == 0 or _LOOKUP * picked + _COPY * w.shape[1] < w.numel()


def _look_up(
    out: Tensor,
    w: Tensor,
    numbers: Tensor,
    d: Tensor,
    scale: Tensor | None,
    sign: int = 1,
) -> None:
    """Add the rows of d that w picks to ``out``, or take them, some columns at a time.

    Each sum runs over its pairs in order: the same every time.
    """
    index = w.bool().nonzero()[:, 1].int()
    if len(index) == 0:
        return
    ends = numbers.cumsum(0, dtype=torch.float64)  # exact, as float32 isn't
    starts = F.pad(ends.int(), (1, 0))
    weights = None if scale is None else scale[index]
    for columns, part in zip(
        out.split(_COLUMNS, dim=1), d.split(_COLUMNS, dim=1), strict=True
    ):
        sums = torch.embedding_bag(
            part.contiguous(),
            index,
            starts,
            per_sample_weights=weights,
            include_last_offset=True,
        )[0]
        columns.add_(sums, alpha=sign)
