"""Ground textures made of noise: asphalt, paving stones, grass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Float = npt.NDArray[np.float64]

SIZE = 256
VARIANTS = 4
"""Variants of each material."""
GRASS = ((95, 120, 58), (110, 125, 70), (80, 110, 50), (125, 125, 80))
STONES = (32, 64, 42, 25)
"""Paving stones of each variant, in pixels of the texture."""


def fractal_noise(size: int, low: float, high: float, octaves: int, seed: int) -> Float:
    """Return noise, (size, size), that spans ``low`` to ``high``.

    Octave o is a random grid of 2^(o + 2) cells, enlarged bicubically; its weight
    falls as 2^(-0.6 o). Octaves finer than a pixel are left out.
    """
    rng = np.random.RandomState(seed)
    total = np.zeros((size, size))
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        if cells > size:
            break
        grid = np.pad(rng.rand(cells, cells), ((0, 1), (0, 1)), "wrap")
        coarse = Image.fromarray((grid * 255).astype(np.uint8))
        wide = size + size // cells
        fine = np.array(coarse.resize((wide, wide), Image.Resampling.BICUBIC))
        total += fine[:size, :size] / 255.0 / 2 ** (octave * 0.6)
    total = (total - total.min()) / (total.max() - total.min())
    return low + (high - low) * total


def _picture(pixels: Float) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _grain(seed: int, strength: float) -> Float:
    return np.random.RandomState(seed).randn(SIZE, SIZE) * strength


def asphalt(variant: int) -> Image.Image:
    """Return a texture of asphalt, RGB."""
    gray = fractal_noise(SIZE, 70, 125, 7, variant) + _grain(variant + 9, 9)
    return _picture(np.stack([gray, gray, gray * 1.03], -1))


def paving(variant: int) -> Image.Image:
    """Return a texture of paving stones with joints, RGB."""
    gray = fractal_noise(SIZE, 140, 185, 7, variant + 20) + _grain(variant + 5, 6)
    stones = np.stack([gray, gray * 0.97, gray * 0.93], -1)
    step = STONES[variant]
    stones[::step] *= 0.72
    stones[1::step] *= 0.85
    for row in range(0, SIZE, step):
        offset = (row // step % 2) * step // 2
        stones[row : row + step, offset::step] *= 0.75
    return _picture(stones)


def grass(variant: int) -> Image.Image:
    """Return a texture of grass, RGB."""
    light = fractal_noise(SIZE, 0.55, 1.1, 7, variant + 40)[..., None]
    grain = np.random.RandomState(variant).randn(SIZE, SIZE, 1) * 14
    return _picture(light * np.array(GRASS[variant]) + grain)
