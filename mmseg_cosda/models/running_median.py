"""A confidence threshold of each class that follows the training."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

BINS = 1000


class RunningMedian(nn.Module):
    r"""The running median of each class's confidence (eq. 13, online).

    .. math::
        h^c_n = (1 - m) h^c_{n-1} + \bar h^c_n, \qquad
        T^c = \min\left(\mathrm{median}(h^c), 0.9\right)

    where the histogram h̄^c_n counts the confidences of the n-th batch that holds class
    c, of all processes. A class that a batch lacks keeps its histogram. The same on all
    ranks, and in the state dict.

    Args:
        num_classes: C.
        quantile: 0.5 for the median.
        cap: T^c is at most this.
        momentum: m; 0.01 looks back about a hundred batches.

    Examples:
        >>> median = RunningMedian(num_classes=2)
        >>> confidence = torch.tensor([0.3, 0.5, 0.8])
        >>> median.update(confidence, torch.zeros(3, dtype=torch.int64))
        >>> [round(value, 3) for value in median.thresholds().tolist()]
        [0.5, 0.9]
    """

    histogram: Tensor

    def __init__(
        self,
        num_classes: int,
        quantile: float = 0.5,
        cap: float = 0.9,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        self.quantile, self.cap, self.momentum = quantile, cap, momentum
        self.register_buffer("histogram", torch.zeros(num_classes, BINS))

    @torch.no_grad()
    def update(
        self, confidence: Tensor, labels: Tensor, pixels: Tensor | None = None
    ) -> None:
        """Count a batch.

        Args:
            confidence: In [0, 1], of any shape.
            labels: Its classes in [0, C), of the same shape.
            pixels: What counts, bool of the same shape; None for all.
        """
        bins = (confidence * BINS).long().clamp(0, BINS - 1)
        places = (labels * BINS + bins).flatten()
        ones = torch.ones_like(confidence) if pixels is None else pixels
        batch = torch.zeros_like(self.histogram).flatten()
        batch.scatter_add_(0, places, ones.to(batch.dtype).flatten())
        all_reduce(batch)
        batch = batch.view_as(self.histogram)
        seen = batch.sum(dim=1, keepdim=True) > 0
        moved = self.histogram * (1 - self.momentum) + batch
        self.histogram.copy_(torch.where(seen, moved, self.histogram))

    def thresholds(self) -> Tensor:
        """Return T^c, (C,); the cap for a class that was never seen."""
        passed = self.histogram.cumsum(dim=1)
        total = passed[:, -1:]
        bins = (passed < self.quantile * total).sum(dim=1)
        median = bins.to(self.histogram.dtype) / BINS
        capped = median.clamp(max=self.cap)
        return torch.where(total[:, 0] > 0, capped, self.cap)
