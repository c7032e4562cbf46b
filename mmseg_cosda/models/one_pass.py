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

    descent: Tensor  # (N, K): w D - s t, zero for ignored rows
    inverse_norm: Tensor  # (N,): 1 / |T|, zero for ignored rows
    distance: Tensor  # (C,) float64: sum of 1 - M over the selected pairs
    selected: Tensor  # (C,) float64: their number


Kernel = Callable[[Tensor, Tensor], Pass]


class _OnePass(torch.autograd.Function):
    """The loss whose forward has computed its gradient."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, features: Tensor, labels: Tensor, kernel: Kernel, reduction: str
    ) -> tuple[Tensor, Tensor]:
        with _without_autocast(features.device):
            result = kernel(features, labels)
            share = torch.full_like(result.selected, 1 / len(result.selected))
            if reduction == "mean":
                share = share / result.selected.clamp(min=1)
            classes = labels.clamp(0, len(share) - 1).long()
            scale = -share[classes].to(result.inverse_norm) * result.inverse_norm
        ctx.save_for_backward(result.descent, scale)
        ctx.dtype = features.dtype
        selected = result.selected.long()
        ctx.mark_non_differentiable(selected)
        loss = (share * result.distance).sum().to(result.descent.dtype)
        return loss, selected

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        descent, scale = ctx.saved_tensors
        # The buffer belongs to a graph that may be walked again: never in place,
        # unless the engine says that it drops the graph behind this call.
        scale = (scale * grad_loss).unsqueeze(1)
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
    loss, selected = _OnePass.apply(  # type: ignore[no-untyped-call]
        features, labels, kernel, reduction
    )
    classes = torch.arange(len(counts), device=labels.device)
    rows = (labels == classes[:, None]).sum(dim=1)
    return loss, MatchStatistics(rows * counts.to(rows), selected)


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
        features.new_zeros(len(features), dtype=dtype),
        features.new_zeros(len(blocks), dtype=torch.float64),
        features.new_zeros(len(blocks), dtype=torch.float64),
    )
    length = max(1, min(_CHUNK_ROWS, _CHUNK_ELEMENTS // max(1, features.shape[1])))
    for c, block in enumerate(blocks):
        if len(block) == 0:
            continue
        for start in range(starts[c], starts[c + 1], length):
            rows = order.rows[start : min(start + length, starts[c + 1])]
            t, inverse_norm = _unit(take_rows(features, rows).to(dtype))
            descent = torch.zeros_like(t)
            chosen = t.new_zeros(len(t))
            for part in torch.split(block, _BLOCK_ROWS):
                d = part.to(dtype) if unit else _unit(part.to(dtype))[0]
                w = torch.mm(t, d.t()).gt_(threshold)
                chosen += w.sum(dim=1)
                descent.addmm_(w, d)
            s = (t * descent).sum(dim=1)
            put_rows(result.descent, rows, descent.addcmul_(t, s[:, None], value=-1))
            result.inverse_norm[rows] = inverse_norm
            result.selected[c] += chosen.double().sum()
            result.distance[c] += (chosen.double() - s.double()).sum()
    return result


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

    Each class is padded to whole tiles; N // size + C of them always suffice.
    """
    C, Q, K = queue.shape
    rows, owner = tile_by_class(labels, C, _TILE_ROWS)  # (G, B), N where padded; (G,)
    valid = rows < len(features)
    t = features.new_zeros(*rows.shape, K, dtype=dtype)
    if len(features):
        t = features[rows.clamp(max=len(features) - 1)].to(dtype)
    t, inverse_norm = _unit(torch.where(valid[..., None], t, 0))
    live = torch.arange(Q, device=queue.device) < counts[owner, None]  # (G, Q)
    descent, chosen = torch.empty_like(t), t.new_empty(rows.shape)
    step = max(1, _TILE_BYTES // max(1, Q * K * dtype.itemsize))
    for start in range(0, len(t), step):
        part = slice(start, start + step)
        d = queue[owner[part]].to(dtype)  # (g, Q, K)
        if not unit:
            d = _unit(torch.where(live[part, :, None], d, 0))[0]
        w = torch.bmm(t[part], d.mT).gt_(threshold).mul_(live[part, None])
        torch.sum(w, dim=2, out=chosen[part])
        torch.bmm(w, d, out=descent[part])
    s = (t * descent).sum(dim=2)
    descent.addcmul_(t, s[..., None], value=-1)
    chosen = torch.where(valid, chosen, 0).double()
    is_owner = (owner == torch.arange(C, device=owner.device)[:, None]).double()
    target = rows.flatten()  # row N swallows the padding
    out = features.new_zeros(len(features) + 1, K, dtype=dtype)
    norms = inverse_norm.new_zeros(len(out))
    return Pass(
        out.index_copy_(0, target, descent.flatten(0, 1))[:-1],
        norms.index_copy_(0, target, inverse_norm.flatten())[:-1],
        is_owner @ (chosen - s.double()).sum(dim=1),
        is_owner @ chosen.sum(dim=1),
    )


def _unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x / |x| over the last dimension and 1 / |x|, both 0 for zero vectors."""
    norm = torch.linalg.vector_norm(x, dim=-1)
    inverse = torch.where(norm < _EPS, 0, 1 / norm.clamp(min=_EPS))
    return x * inverse.unsqueeze(-1), inverse


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Return float64 if a tensor is, else float32: 16 bits would move the choice."""
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if double else torch.float32
