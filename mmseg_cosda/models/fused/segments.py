"""The kernel of least memory, with one host sync: chunks of each class's rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.fused.autograd import Pass
from mmseg_cosda.models.fused.primitives import (
    choose_pairs,
    inverse_norm,
    is_map,
    limits,
    normalize_,
    sort_by_class,
)

_CHUNK_ELEMENTS = 2**21  # of t, per chunk of rows: 8 MiB in float32
_CHUNK_ROWS = 1024  # most rows of a chunk
_BLOCK_ROWS = 512  # queue rows compared at once; converted they fit a cache
# Columns summed at once: those of 512 queue rows fit the second level of a cache.
_COLUMNS = 128
# What a look-up and a copy cost, in multiplications of a matrix product.
_LOOKUP, _COPY = 3.5, 35.0


def by_segments(
    features: Tensor,
    labels: Tensor,
    *,
    blocks: Sequence[Tensor],
    threshold: float,
    unit: bool,
    dtype: torch.dtype,
    top_k: int | None = None,
) -> Pass:
    """Compare chunks of each class's rows with its block: least memory, one sync."""
    order = sort_by_class(labels, len(blocks))
    segments = order.rows.tensor_split(order.starts[1:].tolist())
    selected = features.new_zeros(len(blocks), dtype=torch.float64)
    distance = torch.zeros_like(selected)
    given, descent = features, torch.empty_like(features, dtype=dtype)
    out = descent
    if is_map(features):
        # Its rows are scattered: a copy by rows, in which the descents replace them.
        given = out = torch.empty(features.shape, dtype=dtype, device=features.device)
        given.copy_(features)
    idle = [segments[-1]]  # rows of no class, or of one without a queue
    for c, block in enumerate(blocks):
        if len(block) == 0:
            idle.append(segments[c])
            continue
        k = top_k if limits(top_k, len(block)) else None
        scale = None if unit else inverse_norm(block, dtype)
        # With a k the whole of M is held for a chunk's rows.
        width = max(1, features.shape[1], 0 if k is None else len(block))
        length = max(1, min(_CHUNK_ROWS, _CHUNK_ELEMENTS // width))
        for rows in torch.split(segments[c], length):
            if len(rows):
                n, s = _segment(given, rows, block, scale, threshold, k, out)
                selected[c] += n
                distance[c] += n - s
    out.index_fill_(0, torch.cat(idle), 0)
    if out is not descent:
        descent.copy_(out)
    return Pass(descent, order.sizes, distance, selected)


def _segment(
    features: Tensor,
    rows: Tensor,
    block: Tensor,
    scale: Tensor | None,
    threshold: float,
    top_k: int | None,
    out: Tensor,
) -> tuple[Tensor, Tensor]:
    """Write the descent of rows of one class; return the sums of n and s, float64."""
    t = features.index_select(0, rows).to(out.dtype)
    inverse = normalize_(t)
    if top_k is None:
        descent, n = _select(t, block, scale, threshold)
    else:
        descent, n = _select_top(t, block, scale, threshold, top_k)
    s = (t * descent).sum(dim=1)
    descent.addcmul_(t, s[:, None], value=-1).mul_(inverse[:, None])
    out.index_copy_(0, rows, descent)
    return n.sum(dtype=torch.float64), s.sum(dtype=torch.float64)


def _select(
    t: Tensor, block: Tensor, scale: Tensor | None, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return w D, of t's shape, and how many pairs of each row are selected.

    The block (Q, K) is walked in parts, which share their room: new pages cost as
    much as a conversion. Its rows are scaled to unit norm, where they aren't, through
    M and w: those are smaller than a part of D for few rows t.
    """
    out, chosen = torch.zeros_like(t), t.new_zeros(len(t))
    room, converted = t.new_empty(len(t) * min(len(block), _BLOCK_ROWS)), None
    for start in range(0, len(block), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        d = block[part]
        if d.dtype != t.dtype:
            if converted is None:
                converted = torch.empty_like(d, dtype=t.dtype)
            d = converted[: len(d)].copy_(d)
        factor = None if scale is None else scale[part]
        M = room[: len(t) * len(d)].view(len(t), len(d))
        torch.mm(t, d.t(), out=M)
        if factor is not None:
            M.mul_(factor)
        chosen += add_selected_rows(out, M.gt_(threshold), d, factor)
    return out, chosen


def _select_top(
    t: Tensor, block: Tensor, scale: Tensor | None, threshold: float, top_k: int
) -> tuple[Tensor, Tensor]:
    """Return what ``_select`` does, for the ``top_k`` largest M of each row alone."""
    parts = [slice(i, i + _BLOCK_ROWS) for i in range(0, len(block), _BLOCK_ROWS)]
    M = torch.cat([torch.mm(t, block[part].to(t.dtype).t()) for part in parts], dim=1)
    if scale is not None:
        M.mul_(scale)
    w = choose_pairs(M, threshold, top_k).to(t.dtype)
    out, chosen = torch.zeros_like(t), t.new_zeros(len(t))
    for part in parts:
        factor = None if scale is None else scale[part]
        chosen += add_selected_rows(out, w[:, part], block[part].to(t.dtype), factor)
    return out, chosen


def add_selected_rows(
    out: Tensor, w: Tensor, d: Tensor, scale: Tensor | None
) -> Tensor:
    """Add w D to ``out``, the way that costs least for the number of selected pairs.

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
    """Return whether this many look-ups and a copy of the rows beat a product."""
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
