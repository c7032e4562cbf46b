"""A toy problem for the class-wise cosine loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmseg_cosda.models.functional import (
    class_wise_cosine_loss_with_statistics,
)

C, Q, K, N = 4, 7, 5, 23


IGNORE = 255


def problem(
    seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ignored rows, an absent class, an empty, a partly and a wholly filled queue."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, K, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, IGNORE, -1, C])[
        torch.randint(6, (N,), generator=generator)
    ]
    queue = 3 * torch.randn(C, Q, K, generator=generator, dtype=torch.float64)
    counts = torch.tensor([Q, 0, 3, Q])
    return features.to(dtype).requires_grad_(), labels, queue.to(dtype), counts


def loss_and_gradient(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    *args: Any,
    **kw: Any,
) -> tuple[Tensor, Tensor]:
    loss, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, *args, **kw
    )
    return loss, torch.autograd.grad(loss, features)[0]
