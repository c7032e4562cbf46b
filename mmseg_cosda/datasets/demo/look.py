"""How a street looks: a clean game, or a worn camera in a hazy town."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmseg_cosda.datasets.demo.canvas import Colour

Options = tuple[Colour, ...]

PALETTES: Mapping[str, tuple[Options, Options]] = MappingProxyType(
    {
        # material: (game, camera), RGB; option k of one answers k of the other
        "road": (((88, 90, 98),), ((122, 119, 114),)),
        "marking": (((250, 250, 250),), ((196, 194, 184),)),
        "sidewalk": (((214, 190, 160),), ((150, 146, 138),)),
        "curb": (((240, 236, 226),), ((176, 171, 162),)),
        "wall": (
            (
                (222, 96, 62),
                (246, 206, 118),
                (84, 160, 176),
                (190, 62, 60),
                (168, 140, 208),
                (236, 150, 120),
            ),
            (
                (142, 92, 72),
                (186, 172, 142),
                (118, 122, 120),
                (120, 84, 72),
                (160, 154, 148),
                (196, 188, 174),
            ),
        ),
        "roof": (((150, 52, 44), (92, 96, 120)), ((96, 72, 64), (80, 80, 82))),
        "window": (((60, 110, 190), (120, 200, 240)), ((50, 54, 58), (78, 84, 88))),
        "frame": (((255, 250, 236),), ((176, 172, 162),)),
        "foliage": (
            ((52, 168, 48), (86, 190, 52), (36, 140, 60)),
            ((74, 86, 48), (98, 100, 56), (58, 70, 46)),
        ),
        "trunk": (((128, 84, 44),), ((82, 72, 60),)),
        "pole": (((64, 68, 76), (84, 88, 92)), ((108, 110, 108), (92, 98, 94))),
        "sign": (
            ((232, 28, 32), (24, 84, 226), (252, 214, 34), (20, 160, 84)),
            ((158, 46, 42), (54, 78, 134), (186, 160, 66), (60, 108, 82)),
        ),
        "sign_face": (((255, 255, 255),), ((208, 206, 198),)),
        "skin": (
            ((255, 206, 168), (206, 150, 108), (130, 84, 56)),
            ((196, 150, 122), (150, 108, 82), (94, 68, 54)),
        ),
        "hair": (((60, 36, 20), (220, 180, 60)), ((46, 40, 36), (110, 90, 64))),
        "shirt": (
            ((240, 40, 60), (40, 90, 230), (250, 220, 50), (240, 240, 240)),
            ((118, 54, 52), (52, 60, 84), (132, 118, 84), (170, 168, 160)),
        ),
        "trousers": (
            ((40, 50, 130), (50, 50, 60), (150, 110, 60)),
            ((52, 58, 76), (44, 44, 46), (98, 88, 74)),
        ),
        "car": (
            (
                (226, 24, 36),
                (30, 70, 210),
                (250, 200, 20),
                (245, 245, 250),
                (20, 150, 90),
            ),
            (
                (116, 34, 36),
                (46, 56, 78),
                (150, 148, 142),
                (200, 200, 196),
                (42, 44, 46),
            ),
        ),
        "glass": (((36, 48, 70),), ((48, 54, 58),)),
        "tyre": (((24, 24, 28),), ((38, 37, 36),)),
        "rim": (((190, 194, 200),), ((128, 128, 126),)),
        "tail_light": (((255, 40, 40),), ((168, 40, 36),)),
        "head_light": (((255, 250, 210),), ((222, 220, 206),)),
        "plate": (((250, 250, 240),), ((200, 198, 186),)),
        "bicycle": (
            ((236, 40, 150), (20, 190, 200), (250, 120, 20)),
            ((70, 44, 48), (44, 66, 70), (120, 78, 46)),
        ),
        "spokes": (((150, 152, 160),), ((112, 111, 108),)),
        "sky_top": (((58, 138, 246),), ((176, 188, 200),)),
        "sky_low": (((182, 220, 255),), ((222, 220, 214),)),
        "cloud": (((255, 255, 255),), ((236, 236, 234),)),
    }
)
"""Colours of both looks by material; class-wise recognisable, yet far apart."""


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
        low = np.array([0.7, 0.003, 0.15, 0.70, -6.0, -0.08, 0.25, 0.50, 4.0])
        high = np.array([1.1, 0.012, 0.40, 0.95, 16.0, 0.08, 0.5, 0.90, 9.0])
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
