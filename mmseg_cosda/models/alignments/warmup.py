"""A weight that rises over the first iterations."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Warmup(nn.Module):
    r"""The factor min(1, i / n) of iteration i = 0, 1, ...; i is in the state dict.

    Args:
        iterations: n, iterations until the factor is 1.

    Examples:
        >>> warmup = Warmup(iterations=2)
        >>> [warmup.advance().item() for _ in range(4)]
        [0.0, 0.5, 1.0, 1.0]
    """

    passed: Tensor

    def __init__(self, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        self.register_buffer("passed", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def advance(self) -> Tensor:
        """Return the factor of this iteration, a scalar, and count the iteration."""
        factor = (self.passed / self.iterations).clamp(max=1)
        self.passed.add_(1)
        return factor
