"""Eq. 9 pixel by pixel: torch alone, in chunks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Similarities held at once: 16 MiB in float32.
_CHUNK_ELEMENTS = 2**22


class PixelMatches(NamedTuple):
    """What each target pixel of a map is compared with, and what is selected.

    Args:
        pairs: Source features that it is compared with, (N,) int64; 0 for a pixel of
            no class.
        selected: Those that count: M > T_cos, at most k of them, (N,) int64.
        total: Sum of M over all pairs, (N,) float64.
        best: The highest M, (N,) float32; NaN without a pair.
        place: Its source feature, an index into the rows (C * Q, K) of the queue, (N,)
            int64; -1 without a pair.
    """

    pairs: Tensor
    selected: Tensor
    total: Tensor
    best: Tensor
    place: Tensor

    @property
    def share(self) -> Tensor:
        """Share of its class's queue that pulls each pixel, (N,); NaN for 0 / 0."""
        return self.selected / self.pairs


@torch.no_grad()
def match_pixels(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    top_k: int | None = None,
) -> PixelMatches:
    r"""Compare each target pixel with the source features of its class.

    .. math::
        M^c = \frac{{T^c}^T D^c}{\|T^c\|_2^T \|D^c\|_2} \quad \text{(eq. 9)}

    Args:
        features: T, (N, K) of any norm.
        labels: The class of each, (N,); outside [0, C) it is compared with nothing.
        queue: D, (C, Q, K) of unit norm.
        counts: Valid leading rows of each class's queue, (C,).
        threshold: T_cos.
        top_k: At most so many pairs of each pixel count; None for all above T_cos.

    Examples:
        >>> queue = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])  # C=1, Q=2, K=2
        >>> pixels = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> found = match_pixels(
        ...     pixels, torch.tensor([0, 255]), queue, torch.tensor([2]), 0.5
        ... )
        >>> found.selected.tolist(), found.place.tolist()
        ([1, 0], [1, -1])
    """
    size = (len(features),)
    count = features.new_zeros(size, dtype=torch.int64)
    total = features.new_zeros(size, dtype=torch.float64)
    best = features.new_full(size, torch.nan, dtype=torch.float32)
    found = PixelMatches(count, count.clone(), total, best, count - 1)
    for c, valid in enumerate(counts.tolist()):
        if not valid:
            continue
        block = queue[c, :valid].float()
        members = (labels == c).nonzero().squeeze(1)
        for rows in members.split(max(1, _CHUNK_ELEMENTS // valid)):
            similarity = F.normalize(features[rows].float(), dim=1) @ block.t()
            selected = (similarity > threshold).sum(dim=1)
            found.selected[rows] = (
                selected if top_k is None else selected.clamp(max=top_k)
            )
            found.pairs[rows] = valid
            found.total[rows] = similarity.sum(dim=1, dtype=torch.float64)
            found.best[rows], place = similarity.max(dim=1)
            found.place[rows] = place + c * queue.shape[1]
    return found


@torch.no_grad()
def rank_sources(feature: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the source features of a class by similarity to one target pixel.

    Args:
        feature: (K,) of any norm.
        block: D^c, (n, K) of unit norm.

    Returns:
        M, descending, and the row of each in ``block``, (n,) both.

    Examples:
        >>> rank_sources(torch.tensor([0.0, 3.0]), torch.eye(2))[1].tolist()
        [1, 0]
    """
    similarity = block.float() @ F.normalize(feature.float(), dim=0)
    return similarity.sort(descending=True, stable=True)
