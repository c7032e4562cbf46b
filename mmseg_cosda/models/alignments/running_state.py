"""What the cosine loss carries from step to step besides its queues."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmseg_cosda.models.alignments.gather import gather_rows


class FeatureMean(nn.Module):
    r"""Exponential moving average of a source map's mean feature.

    .. math::
        \mu_1 = \bar f_1, \qquad \mu_n = (1 - a) \mu_{n-1} + a \bar f_n

    where f̄_n is the mean over all pixels of the n-th batch, of all processes. The
    first batch sets it, so that it is unbiased from the start. The same on all ranks,
    and in the state dict.

    Args:
        channels: K.
        momentum: a; 0.01 averages about the last hundred batches.

    Examples:
        >>> mean = FeatureMean(channels=1, momentum=0.5)
        >>> mean.update(torch.full((1, 1, 2, 2), 4.0))
        >>> mean.update(torch.full((1, 1, 2, 2), 2.0))
        >>> mean.center(torch.full((1, 1, 1, 1), 5.0)).item()
        2.0
    """

    mean: Tensor
    updates: Tensor

    def __init__(self, channels: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, feature: Tensor, own: Tensor | None = None) -> None:
        """Take in a batch of source maps, unless a value of it is not finite.

        Args:
            feature: (B, K, h, w), this process's.
            own: Which pixels count, (B, h, w) bool; None for all.
        """
        # A row per image, so that how images are spread over processes is no matter.
        if own is None:
            rows = feature.mean(dim=(2, 3), dtype=self.mean.dtype)
        else:
            counted = feature.to(self.mean.dtype) * own.unsqueeze(1)
            rows = counted.sum(dim=(2, 3)) / own.sum(dim=(1, 2)).clamp(min=1)[:, None]
        labels = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        rows, labels = gather_rows(rows, labels, 1)
        batch = rows.sum(dim=0) / (labels == 0).sum()
        weight = torch.where(self.updates == 0, 1.0, self.momentum)
        finite = batch.isfinite().all()
        mean = torch.lerp(self.mean, batch, weight)
        self.mean.copy_(torch.where(finite, mean, self.mean))
        self.updates.add_(finite)

    def center(self, feature: Tensor) -> Tensor:
        """Subtract the mean from maps (B, K, h, w), at least in float32."""
        return feature - self.mean[:, None, None]


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
