"""The cars of TORCS: mesh, axles, and their texture in several colors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.torcs2camvid.street_renderer.ac3d import parse_ac3d
from benchmarks.torcs2camvid.street_renderer.art_files import CarFiles
from benchmarks.torcs2camvid.street_renderer.pictures import read_picture
from mmseg_cosda.errors import UserError

PAINTS = 5
"""Colors of each car."""


@dataclass(frozen=True)
class CarModel:
    """A car without its wheels.

    Args:
        corners: Triangle corners, (3 * triangles, 8): position in metres (x ahead,
            y up), normal, texture coordinates.
        paints: Names of its textures, one a color.
        axles: Positions of the front and the rear axle along x.
        share: Probability among all cars.
        clearance: Height of the body above the road in metres.
        any_size: Whether its size is varied.
    """

    corners: npt.NDArray[np.float64] = field(repr=False)
    paints: tuple[str, ...]
    axles: tuple[float, float]
    share: float
    clearance: float = 0.17
    any_size: bool = True


def load_car(folder: Path, files: CarFiles) -> tuple[CarModel, dict[str, Image.Image]]:
    """Read a car; return it with its texture in several colors, by name."""
    mesh = folder / files.path(".acc", files.mesh)
    try:
        corners = parse_ac3d(mesh.read_text(errors="ignore"))
    except (ValueError, IndexError) as error:
        raise UserError(f"{mesh} is not a readable mesh: {error}") from error
    texture = read_picture(folder / files.path(".rgb"))
    if texture.size[0] > 512:
        texture = texture.resize((512, 512))
    paints = {
        f"car {files.name} {paint}": repainted(texture, files.name, paint)
        for paint in range(PAINTS)
    }
    description = (folder / files.path(".xml")).read_text(errors="ignore")
    car = CarModel(
        corners=corners,
        paints=tuple(paints),
        axles=(
            axle_position(description, "Front Axle", 1.3),
            axle_position(description, "Rear Axle", -1.3),
        ),
        share=files.share,
        clearance=files.clearance,
        any_size=files.any_size,
    )
    return car, paints


def repainted(texture: Image.Image, name: str, paint: int) -> Image.Image:
    """Return a car's texture with hue, saturation and brightness changed.

    The change is a function of the car's name and the number of the paint.
    """
    rng = np.random.RandomState(sum(map(ord, name)) % 1000 + paint)
    pixels = np.array(texture.convert("RGB").convert("HSV")).astype(float)
    pixels[..., 0] = (pixels[..., 0] + rng.rand() * 255) % 256
    pixels[..., 1] *= rng.choice([0.05, 0.15, 0.5, 0.9])
    pixels[..., 2] = np.clip(pixels[..., 2] * rng.uniform(0.35, 1.25), 0, 255)
    bands = [Image.fromarray(band) for band in np.moveaxis(pixels, 2, 0).astype("u1")]
    return Image.merge("HSV", bands).convert("RGB")


def axle_position(description: str, axle: str, default: float) -> float:
    """Return where an axle lies along the car, from TORCS' description of the car.

    Examples:
        >>> xml = '<section name="Rear Axle"> <attnum name="xpos" val="-1.37"/>'
        >>> axle_position(xml, "Rear Axle", -1.3)
        -1.37
        >>> axle_position(xml, "Front Axle", 1.3)
        1.3
    """
    pattern = rf'name="{axle}".*?"xpos".*?val="([-\d.]+)"'
    found = re.search(pattern, description, re.DOTALL)
    return float(found.group(1)) if found else default
