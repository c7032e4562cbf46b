"""One pass over the pairs of eq. 9 and 10: loss and gradient together.

For the rows T of one class and their queue D, both of unit norm (t = T / |T|), with
w = 1 where M = t D^T exceeds T_cos, n_i = sum_j w_ij and s_i = sum_j w_ij M_ij =
t_i (w D)_i, a class's loss is a sum_i (n_i - s_i) and its gradient is dL/dT_i =
a (s_i t_i - (w D)_i) / |T_i|, where a = 1 / (C sum_i n_i) for the mean and 1 / C for
the sum. So the forward computes the gradient too, with two matrix products in all, and
nothing of size pixels x queue is kept for the backward. With ``top_k``, w = 1 for the
most similar of these pairs alone (``pair_choice``). Imports torch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_cosda.models.class_order import (
    is_map,
    sort_by_class,
)
from mmseg_cosda.models.pair_choice import choose_pairs, limits
from mmseg_cosda.models.pair_sums import add_selected_rows
from mmseg_cosda.models.precision import without_autocast
from mmseg_cosda.models.unit_norm import inverse_norm, normalize_

_CHUNK_ELEMENTS = 2**21  # of t, per chunk of rows: 8 MiB in float32
_CHUNK_ROWS = 1024  # most rows of a chunk
_BLOCK_ROWS = 512  # queue rows compared at once; converted they fit a cache


class MatchStatistics(NamedTuple):
    """How many pairs of target and source features were compared and selected.

    Args:
        pairs: Pairs (t, d) of each class, (C,) int64.
        selected: Those with M > T_cos, of these the top_k per row, (C,) int64.
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
        with without_autocast(features.device):
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
    inverse_norm = normalize_(t)
    if top_k is None:
        descent, n = _select(t, block, scale, threshold)
    else:
        descent, n = _select_top(t, block, scale, threshold, top_k)
    s = (t * descent).sum(dim=1)
    descent.addcmul_(t, s[:, None], value=-1).mul_(inverse_norm[:, None])
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
