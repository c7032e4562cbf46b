"""Art for the street renderer that needs no TORCS: flat colors and box cars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.torcs2camvid.street_renderer.art import Art, needed_files
from benchmarks.torcs2camvid.street_renderer.car_models import CarModel

# A tetrahedron-like body in AC3D, as TORCS writes it.
CAR_AC3D = """AC3Db
MATERIAL "m" rgb 1 1 1
OBJECT world
kids 1
OBJECT poly
name "body"
loc 0 0.5 0
numvert 4
-2 0 -0.9 0 1 0
2 0 -0.9 0 1 0
2 0 0.9 0 1 0
-2 0.8 0.9 0 1 0
numsurf 2
SURF 0x10
refs 4
0 0 0
1 1 0
2 1 1
3 0 1
SURF 0x14
refs 3
0 0 0
1 1 0
3 0 1
kids 0
"""


def box_car() -> npt.NDArray[np.float64]:
    """Corners of the six faces of a box of 4 x 1.2 x 1.8 m, (36, 8)."""
    corners = []
    for axis in range(3):
        for side in (-1, 1):
            normal = np.zeros(3)
            normal[axis] = side
            u, v = np.eye(3)[[(axis + 1) % 3, (axis + 2) % 3]]
            face = [
                normal + a * u + b * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            for i in (0, 1, 2, 0, 2, 3):
                corners.append(np.r_[face[i] * (2, 0.6, 0.9), normal, 0, 0])
    return np.array(corners)


def tiny_art() -> Art:
    """Every kind of texture in a color of its own; two cars, two people."""
    art = Art()
    rng = np.random.RandomState(3)

    def names(kind: str, count: int, size: tuple[int, int] = (4, 4)) -> list[str]:
        return [
            art.add(
                f"{kind} {i}",
                Image.new("RGB", size, tuple(int(c) for c in rng.randint(40, 220, 3))),
            )
            for i in range(count)
        ]

    art.facades = names("facade", 3, (8, 4))
    art.roofs, art.walls = names("roof", 2), names("wall", 3)
    art.trees, art.hedges = names("tree", 3, (4, 6)), names("hedge", 2)
    art.fences, art.forests = names("fence", 3), names("forest", 2, (16, 4))
    art.people = names("person", 2, (4, 12))
    # As large as the real ones: how costly an image is depends on it.
    for kind in ("asphalt", "paving", "grass"):
        names(kind, 4, (256, 256))
    art.add("white", Image.new("RGB", (4, 4), (255, 255, 255)))
    for i, share in enumerate((0.75, 0.25)):
        paints = tuple(names(f"car {i}", 5))
        art.cars.append(CarModel(box_car(), paints, (1.3, -1.3), share))
    return art


def crowd_sheet() -> Image.Image:
    """One figure of 20 x 50 pixels on a transparent ground."""
    pixels = np.zeros((60, 40, 4), np.uint8)
    pixels[5:55, 10:30] = (200, 100, 50, 255)
    return Image.fromarray(pixels)


def make_torcs(root: Path) -> Path:
    """A data folder of TORCS with every file that is read, at toy size."""
    sheet = crowd_sheet()
    for name in needed_files():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".acc":
            path.write_text(CAR_AC3D)
        elif path.suffix == ".xml":
            path.write_text(
                '<section name="Front Axle"><attnum name="xpos" val="1.5"/>'
            )
        else:
            sheet.save(path, "sgi" if path.suffix == ".rgb" else "png")
    return root
