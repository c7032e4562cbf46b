"""What a step does to images, pixel by pixel in float64: slow and obvious.

Nothing here is shared with the package: the tests compare the two.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def jiggled(image: Tensor, factors: Sequence[float], order: Sequence[int]) -> Tensor:
    """Brightness, contrast, saturation and hue of (3, H, W) in [0, 1]."""
    out = image.double().clone()
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            pixel = out[:, i, j].tolist()
            for index in order:
                pixel = _changed(pixel, index, factors[index])
            out[:, i, j] = torch.tensor(pixel, dtype=torch.float64)
    return out


def _changed(pixel: list[float], index: int, factor: float) -> list[float]:
    if index == 0:
        return [_cut(value + factor - 1) for value in pixel]
    if index == 1:
        return [_cut(value * factor) for value in pixel]
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    if index == 2:
        saturation = _cut(saturation * factor)
    else:
        hue = (hue + factor) % 1.0
    return list(colorsys.hsv_to_rgb(hue, saturation, value))


def _cut(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def published_kernel(side: int) -> int:
    """The published size of the blur's kernel."""
    tenth = math.ceil(0.1 * side)
    return math.floor(tenth - 0.5 + tenth % 2)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """A convolution of (K, H, W) with the whole published kernel."""
    kernels = []
    for side in image.shape[1:]:
        middle = published_kernel(side) // 2
        at = torch.arange(-middle, middle + 1, dtype=torch.float64)
        weights = torch.exp(-(at**2) / (2 * sigma**2))
        kernels.append(weights / weights.sum())
    rows, columns = (len(kernel) // 2 for kernel in kernels)
    padded = F.pad(
        image.double()[:, None], (columns, columns, rows, rows), mode="reflect"
    )
    kernel = torch.outer(*kernels)[None, None]
    return F.conv2d(padded, kernel)[:, 0]


def pasted(
    labels: Tensor, keys: Tensor, own: Tensor | None = None, batch: bool = False
) -> Tensor:
    """Where the half of the label values with the lowest keys is, (B, H, W)."""
    num_classes = keys.shape[1] - 1
    values = []
    for image in range(len(labels)):
        inside = labels[image] if own is None else labels[image][own[image]]
        values.append(set(inside.flatten().tolist()))
    mask = torch.zeros_like(labels, dtype=torch.bool)
    for image in range(len(labels)):
        present = set().union(*values) if batch else values[image]
        by_key = sorted(
            present, key=lambda v: keys[image, v if v < num_classes else num_classes]
        )
        for value in by_key[: math.ceil(len(present) / 2)]:
            mask[image] |= labels[image] == value
    return mask if own is None else mask & own


def blocks_blown_up(kept: Tensor, height: int, width: int) -> Tensor:
    """A mask of (h, w) blocks at (H, W), nearest."""
    out = torch.zeros(height, width)
    for i in range(height):
        for j in range(width):
            h, w = i * kept.shape[0] // height, j * kept.shape[1] // width
            out[i, j] = float(kept[h, w])
    return out
