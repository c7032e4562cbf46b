"""The kernel that needs no host sync: tiles of fixed size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.fused.autograd import Pass
from mmseg_cosda.models.fused.primitives import (
    ClassOrder,
    choose_pairs,
    inverse_norm,
    limits,
    normalize_,
    sort_by_class,
)

_TILE_ROWS = 256  # rows of a tile, all of one class
_TILE_BYTES = 2**28  # queue rows gathered at once


def by_tiles(
    features: Tensor,
    labels: Tensor,
    *,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    unit: bool,
    dtype: torch.dtype,
    top_k: int | None = None,
) -> Pass:
    """Compare tiles of rows of one class with its queue: no host sync.

    Each class is padded to whole tiles. ``torch.nn.functional.grouped_mm`` (torch
    2.13) pads nothing, but for float32 it reads each segment's end on the host, and
    its path that doesn't takes bfloat16 alone and rounds M to it.
    """
    (_, Q, K), N = queue.shape, len(features)
    if abs(threshold) < torch.finfo(dtype).smallest_normal:
        threshold = 0.0  # compared in dtype it may be 0, whose pairs M = 0 don't count
    order = sort_by_class(labels, len(queue))
    rows, owner = tile_by_class(order, _TILE_ROWS)  # (G, B), N where padded; (G,)
    valid = rows < N
    if N == 0:
        features = features.new_zeros(1, K)
    t = features[rows.clamp(max=max(N - 1, 0))].to(dtype)  # (G, B, K)
    t = torch.where(valid[..., None], t, 0)
    inverse = normalize_(t)
    scale = None
    if not unit:
        scale = _row_scale(queue, counts, dtype)[owner]  # (G, Q)
        live = scale > 0
    k = top_k if limits(top_k, Q) else None
    descent, chosen = torch.empty_like(t), t.new_empty(rows.shape)
    step = max(1, _TILE_BYTES // max(1, Q * K * dtype.itemsize))
    for start in range(0, len(t), step):
        part = slice(start, start + step)
        d = queue[owner[part]].to(dtype)  # (g, Q, K)
        if scale is not None:  # invalid rows may hold anything, NaN too
            d = torch.where(live[part, :, None], d * scale[part, :, None], 0)
        w = torch.bmm(t[part], d.mT)
        if k is None:
            w.gt_(threshold)
        else:  # M = 0 of rows that aren't valid must not crowd out M < 0
            w.masked_fill_(~_filled(queue, counts)[owner[part], None], -torch.inf)
            w = choose_pairs(w, threshold, k).to(dtype)
        torch.sum(w, dim=2, out=chosen[part])
        torch.bmm(w, d, out=descent[part])
    s = (t * descent).sum(dim=2)
    descent.addcmul_(t, s[..., None], value=-1).mul_(inverse[..., None])
    if threshold < 0:  # M = 0 was chosen: padded rows, and queue rows that aren't valid
        invalid = (Q - counts)[owner, None] if k is None else 0
        chosen = torch.where(valid, chosen - invalid, 0)
    classes = torch.arange(len(queue), device=owner.device)
    is_owner = (owner == classes[:, None]).double()  # (C, G)
    selected = is_owner.mv(chosen.sum(dim=1, dtype=torch.float64))
    out = descent.new_zeros(N + 1, K)  # row N swallows the padding
    out.index_copy_(0, rows.flatten(), descent.flatten(0, 1))
    similarity = is_owner.mv(s.sum(dim=1, dtype=torch.float64))
    return Pass(out[:-1], order.sizes, selected - similarity, selected)


def _row_scale(queue: Tensor, counts: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |d| of each queue row, (C, Q); 0 for those that aren't valid."""
    return torch.where(_filled(queue, counts), inverse_norm(queue, dtype), 0)


def _filled(queue: Tensor, counts: Tensor) -> Tensor:
    """Return which queue rows are valid, (C, Q) bool."""
    return torch.arange(queue.shape[1], device=queue.device) < counts[:, None]


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
