"""Gaussian blur of an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 6
"""Taps this many sigmas off and beyond, < 2e-8 of the middle one, are left out."""


def kernel_size(side: int) -> int:
    """Return the published kernel's size for an image side, about a tenth of it.

    Args:
        side: n, pixels.

    Returns:
        The largest odd number up to ceil(n / 10).

    Examples:
        >>> kernel_size(512), kernel_size(240), kernel_size(9)
        (51, 23, 1)
    """
    tenth = -(-side // 10)
    return tenth - 1 + tenth % 2


def blur(image: Tensor, sigma: float) -> Tensor:
    r"""Blur an image by a Gaussian, along each side in turn.

    .. math:: k_i \propto \exp(-i^2 / 2 \sigma^2), \quad \sum_i k_i = 1

    The border is reflected. Of the kernel of :func:`kernel_size` only the taps that
    weigh anything are summed: 13 for a sigma of 1.15.

    Args:
        image: (K, H, W) float, normalized or not.
        sigma: Standard deviation, pixels, positive.

    Returns:
        (K, H, W).

    Source: DACS, DAFormer.

    Examples:
        >>> blur(torch.ones(1, 30, 40), 1.0).allclose(torch.ones(1, 30, 40))
        True
    """
    for dim in (1, 2):
        reach = min(kernel_size(image.shape[dim]) // 2, math.ceil(REACH * sigma) - 1)
        image = _blur_along(image, dim, _taps(reach, sigma))
    return image


def _taps(reach: int, sigma: float) -> list[float]:
    """Return the weights at distances 0 to ``reach``."""
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(reach + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


def _blur_along(image: Tensor, dim: int, taps: list[float]) -> Tensor:
    # Sums of shifted images: a convolution would run in half precision under autocast.
    reach, length = len(taps) - 1, image.shape[dim]
    sides = [reach, reach, 0, 0] if dim == 2 else [0, 0, reach, reach]
    padded = F.pad(image[None], sides, mode="reflect")[0] if reach else image
    blurred = torch.mul(image, taps[0])
    for offset, weight in enumerate(taps[1:], 1):
        for start in (reach - offset, reach + offset):
            blurred.add_(padded.narrow(dim, start, length), alpha=weight)
    return blurred
