"""Masks of random square blocks (MIC)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def draw_blocks(
    size: tuple[int, int],
    block: int,
    ratio: float,
    rngs: Sequence[np.random.Generator],
) -> Tensor:
    """Draw which blocks of a grid are kept.

    Args:
        size: (H, W) of the images, pixels.
        block: b, pixels.
        ratio: r in [0, 1], the probability that a block is masked.
        rngs: Each image's generator.

    Returns:
        (B, h, w) bool on the CPU, h = round(H / b) and w = round(W / b), at least 1.

    Examples:
        >>> rngs = [np.random.default_rng(0)]
        >>> draw_blocks((64, 100), 32, 0.0, rngs).shape
        torch.Size([1, 2, 3])
    """
    grid = [max(round(side / block), 1) for side in size]
    return torch.from_numpy(np.stack([rng.random(grid) >= ratio for rng in rngs]))


def block_mask(blocks: Tensor, size: tuple[int, int]) -> Tensor:
    r"""Blow blocks up to an image's size, nearest.

    .. math:: M_{ij} = [u_{\lfloor i h / H \rfloor, \lfloor j w / W \rfloor} \ge r]

    Args:
        blocks: Which are kept, (B, h, w) bool, see :func:`draw_blocks`.
        size: (H, W), pixels.

    Returns:
        The mask M, (B, 1, H, W) float32: 1 where a pixel is kept, else 0.

    Source: MIC (arXiv 2212.01322), eq. 6.

    Examples:
        >>> block_mask(torch.tensor([[[True, False]]]), (1, 4)).tolist()
        [[[[1.0, 1.0, 0.0, 0.0]]]]
    """
    return F.interpolate(blocks.unsqueeze(1).float(), size, mode="nearest")
