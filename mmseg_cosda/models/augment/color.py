"""Brightness, contrast, saturation and hue of an image, as kornia's ColorJiggle."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

CHANNELS = 3


class ColorShift(NamedTuple):
    """What is done to the colors of one image.

    Args:
        brightness: f; f - 1 is added.
        contrast: f; values are multiplied by it.
        saturation: f; HSV's S is multiplied by it.
        hue: f; HSV's H is shifted by f turns of the color circle.
        order: In which order: the four by their index here.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: tuple[int, ...] = (0, 1, 2, 3)


def draw_color_shift(strength: float, rng: np.random.Generator) -> ColorShift:
    """Draw an image's factors and their order.

    Args:
        strength: s; factors are uniform in [1 - s, 1 + s], the hue's in [-s, s].
        rng: The image's generator.

    Examples:
        >>> draw_color_shift(0.0, np.random.default_rng(0))[:4]
        (1.0, 1.0, 1.0, 0.0)
    """
    brightness, contrast, saturation, hue = rng.uniform(-strength, strength, 4).tolist()
    order = tuple(rng.permutation(4).tolist())
    return ColorShift(1 + brightness, 1 + contrast, 1 + saturation, hue, order)


def shift_color(image: Tensor, shift: ColorShift) -> Tensor:
    r"""Change an image's colors.

    .. math::
        x \leftarrow [x + f_b - 1], \quad x \leftarrow [f_c x], \quad
        S \leftarrow [f_s S], \quad H \leftarrow H + 2 \pi f_h

    in the order of the shift, [.] cut to [0, 1], S and H those of HSV. Not what
    torchvision's ``ColorJitter`` does, whose brightness multiplies and whose contrast
    turns about the mean.

    Args:
        image: (3, H, W) float in [0, 1]; beyond, it is cut. RGB or BGR: BGR turns the
            hue the other way, which is as probable.
        shift: What was drawn.

    Returns:
        (3, H, W) in [0, 1].

    Raises:
        ValueError: If the image has not 3 channels.

    Source: DACS, DAFormer; ``kornia.augmentation.ColorJiggle``.

    Examples:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        >>> shift_color(red, ColorShift(1, 1, 1, 1 / 3)).flatten().round(decimals=5)
        tensor([0., 1., 0.])
    """
    if image.ndim != 3 or image.shape[0] != CHANNELS:
        raise ValueError(
            f"an image of shape {tuple(image.shape)} has no colors to jitter, which "
            "takes (3, H, W); set jitter_probability=0 of the phases"
        )
    image = image.clamp(0, 1)
    factors = shift[:4]
    for index in shift.order:
        image = _OPERATIONS[index](image, factors[index])
    return image


def _brighten(image: Tensor, factor: float) -> Tensor:
    return (image + (factor - 1)).clamp_(0, 1)


def _contrast(image: Tensor, factor: float) -> Tensor:
    return (image * factor).clamp_(0, 1)


def _saturate(image: Tensor, factor: float) -> Tensor:
    # V and H stay: each channel's distance from V scales as S does, at most to S = 1.
    value, chroma = _value_and_chroma(image)
    ratio = (value / chroma.clamp(min=torch.finfo(image.dtype).tiny)).clamp_(max=factor)
    return (value - (value - image) * ratio).clamp_(0, 1)


def _turn(image: Tensor, turns: float) -> Tensor:
    value, chroma = _value_and_chroma(image)
    divisor = chroma.clamp(min=torch.finfo(image.dtype).tiny)
    red, green, blue = image
    hue = torch.where(  # in sixths of the circle
        value == red,
        (green - blue) / divisor,
        torch.where(
            value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor
        ),
    )
    hue = hue + 6 * turns
    channels = []
    for offset in (5, 3, 1):
        place = torch.remainder(hue + offset, 6)
        share = torch.minimum(place, 4 - place).clamp_(0, 1)
        channels.append(value - chroma * share)
    return torch.stack(channels).clamp_(0, 1)


def _value_and_chroma(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return HSV's V and S V, (H, W) each."""
    value = image.amax(dim=0)
    return value, value - image.amin(dim=0)


_OPERATIONS: tuple[Callable[[Tensor, float], Tensor], ...] = (
    _brighten,
    _contrast,
    _saturate,
    _turn,
)
