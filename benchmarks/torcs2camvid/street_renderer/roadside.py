"""What stands beside the road: boundaries, trees, lamps, signs, railings, people."""

from __future__ import annotations

import numpy as np

from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.figures import add_walker
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.signs import add_sign
from benchmarks.torcs2camvid.street_renderer.solids import add_cylinder
from benchmarks.torcs2camvid.street_renderer.street import KERB, Street

Rng = np.random.RandomState

WALL, FENCE, HEDGE = 0, 1, 2
"""Kinds of boundaries; there is a fourth that is mostly open."""


def add_boundary(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> None:
    """Draw a wall, a fence or a hedge along the far edge of a pavement."""
    kind = rng.choice(4)
    z = rng.uniform(0, 10)
    x = side * (street.half_width + street.pavement + 0.15)
    fence = art.fences[rng.randint(len(art.fences))]
    wall = art.walls[rng.randint(3)]
    hedge = art.hedges[rng.randint(len(art.hedges))]
    height = rng.uniform(0.9, 1.7)
    while z > -120:
        length = rng.uniform(5, 16)
        span = (z - length, z)
        if street.is_clear(z - length / 2, length / 2):
            if kind == WALL:
                thick, high = (x - 0.12, x + 0.12), (0, height)
                scene.box(wall, Label.BUILDING, thick, high, span, tile=(1.5, 1.5))
            elif kind == FENCE or rng.rand() < 0.2:
                gray = rng.uniform(0.5, 1.2)
                _add_fence(scene, fence, x, span, height, round(length / 1.3), gray)
            elif kind == HEDGE:
                scene.box(
                    hedge,
                    Label.TREE,
                    (x - 0.35, x + 0.35),
                    (-0.2, height + 0.3),
                    span,
                    tile=(2.5, height + 0.5),
                    color=(0.9, 1, 0.85),
                )
        z -= length + rng.choice([0, 0, 2.5])


def _add_fence(
    scene: Scene,
    texture: str,
    x: float,
    z: tuple[float, float],
    height: float,
    panels: int,
    gray: float,
) -> None:
    """Add a fence along the street."""
    (end, start), top = z, height + KERB
    corners = ((x, KERB, start), (x, KERB, end), (x, top, end), (x, top, start))
    scene.quad(
        texture,
        Label.FENCE,
        *corners,
        tiles=(panels, 1),
        color=(gray,) * 3,
        flat=True,
    )


def add_trees(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> None:
    """Plant a row of trees on the pavement or behind it."""
    z = rng.uniform(-4, 6)
    spacing = rng.uniform(5, 22)
    kinds = [art.trees[i] for i in rng.choice(len(art.trees), 3)]
    behind = street.half_width + street.pavement
    setback = street.setback[side]
    row = float(
        rng.choice(
            [street.half_width + 0.7, behind + 1.5, behind + max(2, setback * 0.6)]
        )
    )
    while z > -160:
        if street.is_clear(z, 0.5):
            tree = kinds[rng.randint(3)]
            height = rng.uniform(3.5, 11)
            width = height * art.aspect(tree) * rng.uniform(0.85, 1.15)
            light = rng.uniform(0.65, 1.15) * np.array([1, 1, 0.95])
            color = np.clip(light * (1 + rng.randn(3) * 0.06), 0.3, 1.3)
            x = side * (row + rng.uniform(0, 1.2))
            mirrored = rng.rand() < 0.5
            scene.billboard(
                tree,
                Label.TREE,
                (x, 0.05, z),
                (width, height),
                street.eye,
                color,
                mirrored,
            )
            if rng.rand() < 0.5:
                bark = (0.28, 0.2, 0.14)
                trunk = (0, height * 0.35)
                add_cylinder(
                    scene, Label.TREE, (x, z - 0.02), (0.12, 0.08), trunk, bark
                )
        z -= spacing * rng.uniform(0.5, 1.6)


def add_lamps(scene: Scene, rng: Rng, street: Street, side: int) -> None:
    """Put up a row of street lamps that lean over the road."""
    z = rng.uniform(-16, 4)
    spacing = rng.uniform(14, 32)
    color = np.array([0.45, 0.47, 0.45]) * rng.uniform(0.4, 1.3)
    height = rng.uniform(4.5, 8)
    while z > -150:
        if street.is_clear(z):
            x = side * (street.half_width + 0.45)
            add_cylinder(scene, Label.POLE, (x, z), (0.09, 0.055), (0, height), color)
            lamp = x - side * rng.uniform(0.6, 1.6)
            arm = (min(x, lamp), max(x, lamp))
            scene.box(
                "white",
                Label.POLE,
                arm,
                (height - 0.06, height + 0.04),
                (z - 0.04, z + 0.04),
                color=color,
            )
            scene.box(
                "white",
                Label.POLE,
                (lamp - 0.25, lamp + 0.25),
                (height - 0.08, height + 0.08),
                (z - 0.1, z + 0.1),
                color=color * 0.8 + 0.1,
            )
        z -= spacing * rng.uniform(0.8, 1.3)


def add_signs(scene: Scene, rng: Rng, street: Street, side: int) -> None:
    """Put up signs, and rows of bollards between them."""
    for _ in range(rng.randint(0, 8)):
        z = -rng.uniform(5, 70)
        x = side * (street.half_width + rng.uniform(0.3, 0.7))
        if rng.rand() < 0.75:
            add_sign(scene, rng, x, KERB, z, 1 if rng.rand() < 0.8 else -1)
        else:
            gray = (0.2, 0.2, 0.2)
            for i in range(rng.randint(2, 6)):
                add_cylinder(scene, Label.POLE, (x, z - i * 1.6), 0.07, (0, 1.0), gray)


def add_railing(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> None:
    """Add a railing along the kerb."""
    z = -rng.uniform(4, 40)
    length = rng.uniform(4, 20)
    x = side * (street.half_width + 0.3)
    texture = art.fences[rng.randint(2)]
    _add_fence(scene, texture, x, (z - length, z), 1.1, round(length / 1.2), 0.8)


def add_people(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> None:
    """Put people on a pavement: pictures from TORCS and figures."""
    for _ in range(rng.poisson(3.5)):
        z = -rng.uniform(4, 55) if rng.rand() < 0.8 else -rng.uniform(4, 14)
        x = side * (street.half_width + rng.uniform(0.4, street.pavement - 0.2))
        if rng.rand() < 0.5 and art.people:
            person = art.people[rng.randint(len(art.people))]
            height = rng.uniform(1.6, 1.85)
            gray = (rng.uniform(0.7, 1.1),) * 3
            mirrored = rng.rand() < 0.5
            size = (height * art.aspect(person), height)
            foot = (x, KERB, z)
            scene.billboard(
                person, Label.PEDESTRIAN, foot, size, street.eye, gray, mirrored
            )
        else:
            heading = rng.choice([np.pi / 2, -np.pi / 2]) + rng.randn() * 0.4
            add_walker(scene, rng, x, KERB, z, heading)
