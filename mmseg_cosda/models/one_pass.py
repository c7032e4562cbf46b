"""One pass over the pairs of eq. 9 and 10: loss and gradient together.

For the rows T of one class and their queue D, both of unit norm (t = T / |T|), with
w = 1 where M = t D^T exceeds T_cos, n_i = sum_j w_ij and s_i = sum_j w_ij M_ij =
t_i (w D)_i, a class's loss is a sum_i (n_i - s_i) and its gradient is dL/dT_i =
a (s_i t_i - (w D)_i) / |T_i|, where a = 1 / (C sum_i n_i) for the mean and 1 / C for
the sum. So the forward computes the gradient too, with two matrix products in all, and
nothing of size pixels x queue is kept for the backward. Imports torch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_cosda.models.class_order import (
    put_rows,
    sort_by_class,
    take_rows,
    tile_by_class,
)

# A shorter vector has no direction: similar to nothing, and without a gradient.
_EPS = 1e-12
_CHUNK_ELEMENTS = 2**21  # of t, per chunk of rows: 8 MiB in float32
_CHUNK_ROWS = 1024  # most rows of a chunk
_BLOCK_ROWS = 512  # queue rows compared at once; converted they fit a cache
_TILE_ROWS = 256  # rows of a tile of the sync-free pass, all of one class
_TILE_BYTES = 2**28  # queue rows gathered at once by the sync-free pass


class MatchStatistics(NamedTuple):
    """How many pairs of target and source features were compared and selected.

    Args:
        pairs: Pairs (t, d) of each class, (C,) int64.
        selected: Those with M > T_cos, (C,) int64.
    """

    pairs: Tensor
    selected: Tensor


class Pass(NamedTuple):
    """What one pass over the rows leaves, not yet weighted by a class's share."""

    descent: Tensor  # (N, K): (w D - s t) / |T|, zero for ignored rows
    rows: Tensor  # (C,) int64: rows of each class
    distance: Tensor  # (C,) float64: sum of 1 - M over the selected pairs
    selected: Tensor  # (C,) float64: their number


Kernel = Callable[[Tensor, Tensor], Pass]


class _OnePass(torch.autograd.Function):
    """The loss whose forward has computed its gradient."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, features: Tensor, labels: Tensor, kernel: Kernel, reduction: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        with _without_autocast(features.device):
            result = kernel(features, labels)
        share = torch.full_like(result.selected, 1 / len(result.selected))
        if reduction == "mean":
            share = share / result.selected.clamp(min=1)
        # Ignored rows may take any class's share: their descent is zero.
        scale = share.to(result.descent)[labels.clamp(0, len(share) - 1).long()]
        ctx.save_for_backward(result.descent, scale)
        ctx.dtype = features.dtype
        rows, selected = result.rows, result.selected.long()
        ctx.mark_non_differentiable(rows, selected)
        return share.dot(result.distance).to(result.descent.dtype), rows, selected

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        descent, scale = ctx.saved_tensors
        # The buffer belongs to a graph that may be walked again: never in place,
        # unless the engine says that it drops the graph behind this call.
        scale = (scale * -grad_loss).unsqueeze(1)
        grad = descent * scale if _graph_is_kept() else descent.mul_(scale)
        return grad.to(ctx.dtype), None, None, None


def _without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keep autocast from narrowing the products, where the device knows it."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _graph_is_kept() -> bool:
    """Tell whether this backward keeps the graph; True where torch can't say."""
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return True if ask is None else bool(ask())


def one_pass(
    features: Tensor, labels: Tensor, counts: Tensor, kernel: Kernel, reduction: str
) -> tuple[Tensor, MatchStatistics]:
    """Apply a kernel and count the pairs that it compared."""
    loss, rows, selected = _OnePass.apply(  # type: ignore[no-untyped-call]
        features, labels, kernel, reduction
    )
    return loss, MatchStatistics(rows * counts, selected)


def by_segments(
    features: Tensor,
    labels: Tensor,
    *,
    blocks: Sequence[Tensor],
    threshold: float,
    unit: bool,
    dtype: torch.dtype,
) -> Pass:
    """Compare chunks of each class's rows with its block: least memory, one sync."""
    order = sort_by_class(labels, len(blocks))
    starts = order.starts.tolist()
    result = Pass(
        torch.zeros_like(features, dtype=dtype),
        order.sizes,
        features.new_zeros(len(blocks), dtype=torch.float64),
        features.new_zeros(len(blocks), dtype=torch.float64),
    )
    length = max(1, min(_CHUNK_ROWS, _CHUNK_ELEMENTS // max(1, features.shape[1])))
    for c, block in enumerate(blocks):
        if len(block) == 0 or starts[c] == starts[c + 1]:
            continue
        scale = None if unit else _inverse_norm(block, dtype)
        for rows in torch.split(order.rows[starts[c] : starts[c + 1]], length):
            selected, similarity = _segment(
                features, rows, block, scale, threshold, result.descent
            )
            result.selected[c] += selected
            result.distance[c] += selected - similarity
    return result


def _segment(
    features: Tensor,
    rows: Tensor,
    block: Tensor,
    scale: Tensor | None,
    threshold: float,
    out: Tensor,
) -> tuple[Tensor, Tensor]:
    """Write the descent of rows of one class; return the sums of n and s, float64."""
    t = take_rows(features, rows).to(out.dtype)
    inverse_norm = _normalize_(t)
    descent, n = _select(t, block, scale, threshold)
    s = (t * descent).sum(dim=1)
    descent.addcmul_(t, s[:, None], value=-1).mul_(inverse_norm[:, None])
    put_rows(out, rows, descent)
    return n.sum(dtype=torch.float64), s.sum(dtype=torch.float64)


def _select(
    t: Tensor, block: Tensor, scale: Tensor | None, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return w D, of t's shape, and how many pairs of each row are selected.

    The block (Q, K) is walked in parts. Its rows are scaled to unit norm, where they
    aren't, through M and w: those are smaller than a part of D for few rows t.
    """
    out, chosen = torch.empty_like(t), t.new_zeros(len(t))
    for start in range(0, len(block), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        d = block[part].to(t.dtype)
        w = torch.mm(t, d.t())
        if scale is not None:
            w.mul_(scale[part])
        chosen += w.gt_(threshold).sum(dim=1)
        if scale is not None:
            w.mul_(scale[part])
        out.addmm_(w, d, beta=1 if start else 0)
    return out, chosen


def by_tiles(
    features: Tensor,
    labels: Tensor,
    *,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    unit: bool,
    dtype: torch.dtype,
) -> Pass:
    """Compare tiles of rows of one class with its queue: no host sync.

    Each class is padded to whole tiles. ``torch._grouped_mm`` pads nothing, but in
    float32 it copies the segments' ends to the host, and its path that doesn't
    returns a bfloat16 M.
    """
    (_, Q, K), N = queue.shape, len(features)
    order = sort_by_class(labels, len(queue))
    rows, owner = tile_by_class(order, _TILE_ROWS)  # (G, B), N where padded; (G,)
    valid = rows < N
    if N == 0:
        features = features.new_zeros(1, K)
    t = features[rows.clamp(max=max(N - 1, 0))].to(dtype)  # (G, B, K)
    t = torch.where(valid[..., None], t, 0)
    inverse_norm = _normalize_(t)
    scale = None
    if not unit:
        scale = _row_scale(queue, counts, dtype)[owner]  # (G, Q)
        live = scale > 0
    descent, chosen = torch.empty_like(t), t.new_empty(rows.shape)
    step = max(1, _TILE_BYTES // max(1, Q * K * dtype.itemsize))
    for start in range(0, len(t), step):
        part = slice(start, start + step)
        d = queue[owner[part]].to(dtype)  # (g, Q, K)
        if scale is not None:  # invalid rows may hold anything, NaN too
            d = torch.where(live[part, :, None], d * scale[part, :, None], 0)
        w = torch.bmm(t[part], d.mT).gt_(threshold)
        torch.sum(w, dim=2, out=chosen[part])
        torch.bmm(w, d, out=descent[part])
    s = (t * descent).sum(dim=2)
    descent.addcmul_(t, s[..., None], value=-1).mul_(inverse_norm[..., None])
    if threshold < 0:  # M = 0 was chosen: padded rows, and queue rows that aren't valid
        chosen = torch.where(valid, chosen - (Q - counts)[owner, None], 0)
    classes = torch.arange(len(queue), device=owner.device)
    is_owner = (owner == classes[:, None]).double()  # (C, G)
    selected = is_owner.mv(chosen.sum(dim=1, dtype=torch.float64))
    out = descent.new_zeros(N + 1, K)  # row N swallows the padding
    out.index_copy_(0, rows.flatten(), descent.flatten(0, 1))
    similarity = is_owner.mv(s.sum(dim=1, dtype=torch.float64))
    return Pass(out[:-1], order.sizes, selected - similarity, selected)


def _row_scale(queue: Tensor, counts: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |d| of each queue row, (C, Q); 0 for those that aren't valid."""
    live = torch.arange(queue.shape[1], device=queue.device) < counts[:, None]
    return torch.where(live, _inverse_norm(queue, dtype), 0)


def _normalize_(x: Tensor) -> Tensor:
    """Scale x to unit norm over the last dimension, in place, and return 1 / |x|."""
    inverse = _inverse_norm(x, x.dtype)
    x.mul_(inverse.unsqueeze(-1))
    return inverse


def _inverse_norm(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |x| over the last dimension, 0 for zero vectors."""
    if x.is_contiguous():
        norm = torch.linalg.vector_norm(x, dim=-1, dtype=dtype)
    else:  # the view of a map, whose columns vector_norm walks 15 times slower
        norm = x.to(dtype).square().sum(dim=-1).sqrt_()
    return torch.where(norm < _EPS, 0, norm.reciprocal())


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Return float64 if a tensor is, else float32: 16 bits would move the choice."""
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if double else torch.float32
