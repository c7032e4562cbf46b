"""One pass over the pairs of eq. 9 and 10: loss and gradient together.

For the rows T of one class and their queue D, both of unit norm (t = T / |T|), with
w = 1 where M = t D^T exceeds T_cos, n_i = sum_j w_ij and s_i = sum_j w_ij M_ij =
t_i (w D)_i, a class's loss is a sum_i (n_i - s_i) and its gradient is dL/dT_i =
a (s_i t_i - (w D)_i) / |T_i|, where a = 1 / (C sum_i n_i) for the mean and 1 / C for
the sum. So the forward computes the gradient too, with two matrix products in all, and
nothing of size pixels x queue is kept for the backward. With ``top_k``, w = 1 for the
most similar of these pairs alone (``choose_pairs``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_cosda.models.fused.primitives import without_autocast


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
    """Return whether this backward keeps the graph; True where torch can't say."""
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
