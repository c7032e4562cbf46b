"""How a street looks: a clean game, or a worn camera in a hazy evening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Color
from mmseg_cosda.datasets.demo.palette import PALETTES


def tint(color: Color, factor: float) -> Color:
    """Return a color darkened or brightened by ``factor``, within 0..255.

    Examples:
        >>> tint((100.0, 200.0, 50.0), 1.5)
        (150.0, 255.0, 75.0)
    """
    r, g, b = (min(255.0, channel * factor) for channel in color)
    return (r, g, b)


@dataclass(frozen=True)
class Photo:
    """What lens, sensor and air do to a picture; the defaults do nothing.

    Args:
        texture: Strength of the surfaces' textures.
        haze_per_metre: How fast things fade into the haze.
        haze_color: RGB.
        shadow: Share of the light that a shadow takes.
        contrast: Factor about middle gray.
        brightness: Added gray levels.
        white_balance: Factors of red, green and blue.
        vignette: Share of the light that the corners lose.
        blur: Deviation of the lens's Gaussian in pixels.
        noise: Deviation of the sensor's noise in gray levels.
    """

    texture: float = 0.0
    haze_per_metre: float = 0.0
    haze_color: Color = (255.0, 255.0, 255.0)
    shadow: float = 0.0
    contrast: float = 1.0
    brightness: float = 0.0
    white_balance: Color = (1.0, 1.0, 1.0)
    vignette: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


PHOTO_RANGES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        # effect: the game's value; least and greatest of the camera's
        "texture": (0.0, 0.6, 0.9),
        "haze_per_metre": (0.0, 0.001, 0.005),
        "shadow": (0.42, 0.15, 0.42),
        "contrast": (1.0, 0.84, 1.0),
        "brightness": (0.0, -8.0, 12.0),
        "warmth": (0.0, 0.14, 0.24),
        "vignette": (0.0, 0.15, 0.40),
        "blur": (0.0, 0.40, 0.70),
        "noise": (0.0, 3.0, 6.5),
    }
)
"""What the photographic effects of an image are drawn from."""


class Look:
    """Colors and photographic effects of one image.

    Args:
        gap: How far the look is from the game's: 0 is the game, 1 the camera.
        rng: The source of every choice; how much of it is drawn doesn't depend on
            ``gap``.
    """

    def __init__(self, gap: float, rng: np.random.Generator) -> None:
        self.gap = gap
        self._rng = rng
        self.photo = self._draw_photo()

    def color(self, material: str, option: int | None = None) -> Color:
        """Return an RGB color of a material, one of its options, with variation."""
        game, camera = PALETTES[material]
        draw = self._rng.random(3).tolist()
        k = int(draw[2] * len(game)) if option is None else option % len(game)
        spread = 12.0 + 16.0 * self.gap
        light = (draw[0] - 0.5) * spread
        hue = (draw[1] - 0.5) * spread * 0.5
        near, far = game[k], camera[k]
        keep, gap = 1.0 - self.gap, self.gap
        return (
            keep * near[0] + gap * far[0] + light - hue,
            keep * near[1] + gap * far[1] + light,
            keep * near[2] + gap * far[2] + light + hue,
        )

    def _draw_photo(self) -> Photo:
        draws = self._rng.random(len(PHOTO_RANGES)).tolist()
        mixed = {}
        for draw, (name, (game, low, high)) in zip(
            draws, PHOTO_RANGES.items(), strict=True
        ):
            mixed[name] = game + self.gap * (low + (high - low) * draw - game)
        warmth = mixed.pop("warmth")
        return Photo(
            **mixed,
            haze_color=self.color("sky_low"),
            white_balance=(1.0 + warmth, 1.0, 1.0 - warmth),
        )
