"""How a street looks: a clean game, or a worn camera in a hazy town."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Colour
from mmseg_cosda.datasets.demo.palette import PALETTES


def tint(colour: Colour, factor: float) -> Colour:
    """Return a colour darkened or brightened by ``factor``, within 0..255.

    Examples:
        >>> tint((100.0, 200.0, 50.0), 1.5)
        (150.0, 255.0, 75.0)
    """
    r, g, b = (min(255.0, channel * factor) for channel in colour)
    return (r, g, b)


@dataclass(frozen=True)
class Photo:
    """What lens, sensor and air do to a picture; zeros and ones do nothing."""

    texture: float = 0.0
    haze_per_metre: float = 0.0
    haze_colour: Colour = (255.0, 255.0, 255.0)
    shadow: float = 0.42
    contrast: float = 1.0
    brightness: float = 0.0
    white_balance: Colour = (1.0, 1.0, 1.0)
    vignette: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


class Look:
    """Colours and photographic effects of one image.

    Args:
        gap: How far the look is from the game's: 0 is the game, 1 the camera.
        rng: The source of every choice; how much of it is drawn doesn't depend on
            ``gap``.
    """

    def __init__(self, gap: float, rng: np.random.Generator) -> None:
        self.gap = gap
        self._rng = rng
        self.photo = self._draw_photo()

    def colour(self, material: str, option: int | None = None) -> Colour:
        """Return an RGB colour of a material, one of its options, with variation."""
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
        low = np.array([0.6, 0.001, 0.15, 0.80, -8.0, -0.06, 0.15, 0.40, 3.0])
        high = np.array([1.0, 0.007, 0.42, 1.00, 12.0, 0.06, 0.40, 0.75, 7.0])
        drawn = low + (high - low) * self._rng.random(len(low))
        none = np.array([0.0, 0.0, 0.42, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        mixed = none + self.gap * (drawn - none)
        texture, haze, shadow, contrast, bright, warm, vignette, blur, noise = (
            float(value) for value in mixed
        )
        return Photo(
            texture=texture,
            haze_per_metre=haze,
            haze_colour=self.colour("sky_low"),
            shadow=shadow,
            contrast=contrast,
            brightness=bright,
            white_balance=(1.0 + warm, 1.0, 1.0 - warm),
            vignette=vignette,
            blur=blur,
            noise=noise,
        )
