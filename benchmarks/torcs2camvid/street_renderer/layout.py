"""A whole random street: what stands where, with what label."""

from __future__ import annotations

import numpy as np

from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.figures import add_cyclist, add_walker
from benchmarks.torcs2camvid.street_renderer.houses import build_horizon, build_row
from benchmarks.torcs2camvid.street_renderer.roadside import (
    add_boundary,
    add_lamps,
    add_people,
    add_railing,
    add_signs,
    add_trees,
)
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.street import (
    SIDES,
    Street,
    along,
    draw_street,
    lay_ground,
)
from benchmarks.torcs2camvid.street_renderer.vehicles import add_vehicle

Rng = np.random.RandomState


def lay_out(rng: Rng, art: Art) -> tuple[Street, Scene]:
    """Draw a street and everything on it.

    Args:
        rng: Draws everything; its state decides the street alone.
        art: Textures, people and cars.

    Returns:
        The measures of the street, and its triangles.
    """
    scene = Scene()
    street = draw_street(rng)
    lay_ground(scene, rng, street)
    for side in SIDES:
        density = build_row(scene, rng, street, art, side)
        if street.setback[side] > 1.2 or density < 0.7:
            add_boundary(scene, rng, street, art, side)
        if rng.rand() < 0.75:
            add_trees(scene, rng, street, art, side)
        add_lamps(scene, rng, street, side)
        add_signs(scene, rng, street, side)
        if rng.rand() < 0.3:
            add_railing(scene, rng, street, art, side)
        if rng.rand() < 0.6 and street.half_width > 3.6:
            _park_vehicles(scene, rng, street, art, side)
        add_people(scene, rng, street, art, side)
    _let_people_cross(scene, rng, street)
    _add_cyclists(scene, rng, street)
    _add_traffic(scene, rng, street, art)
    build_horizon(scene, rng, art, street.eye)
    return street, scene


def _park_vehicles(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> None:
    """Park a row of vehicles at the kerb, some against the traffic."""
    z = -rng.uniform(5, 14)
    density = rng.uniform(0.3, 0.95)
    while z > -110:
        if street.is_clear(z, 3) and rng.rand() < density:
            van = rng.rand() < 0.12
            heading = along(side) + rng.randn() * 0.03
            heading += np.pi if rng.rand() < 0.15 else 0
            x = side * (street.half_width - 1.05)
            add_vehicle(scene, rng, art, van, x, z, heading)
        z -= rng.uniform(5.2, 7.5)


def _let_people_cross(scene: Scene, rng: Rng, street: Street) -> None:
    """Let up to three people cross the road, in a quarter of the streets."""
    if rng.rand() < 0.25:
        for _ in range(rng.randint(1, 4)):
            x = rng.uniform(-street.half_width, street.half_width)
            z = -rng.uniform(9, 35)
            heading = rng.choice([0, np.pi]) + rng.randn() * 0.3
            add_walker(scene, rng, x, 0.0, z, heading)


def _add_cyclists(scene: Scene, rng: Rng, street: Street) -> None:
    """Add cyclists near the kerb, on the road or on the pavement."""
    for _ in range(rng.poisson(1.3)):
        side = -1 if rng.rand() < 0.7 else 1
        if rng.rand() < 0.8:
            x = side * (street.half_width - rng.uniform(0.5, 1.5))
        else:
            x = side * (street.half_width + rng.uniform(0.5, 1.2))
        z = -rng.uniform(5, 38)
        add_cyclist(scene, rng, x, z, along(side) + rng.randn() * 0.12)


def _add_traffic(scene: Scene, rng: Rng, street: Street, art: Art) -> None:
    """Add vehicles in both lanes and one in the nearest crossing street."""
    for side in SIDES:
        z = -rng.uniform(8, 30) if side < 0 else -rng.uniform(6, 25)
        for _ in range(rng.poisson(2.2)):
            van = rng.rand() < 0.2
            x = side * street.half_width * 0.42 + rng.randn() * 0.2
            heading = along(side) + rng.randn() * 0.04
            add_vehicle(scene, rng, art, van, x, z, heading)
            z -= rng.uniform(8, 35)
    if rng.rand() < 0.3 and street.crossings:
        at, _ = street.crossings[0]
        reach = street.half_width + 6
        x = rng.uniform(-reach, reach)
        z = at + rng.uniform(-1.5, 1.5)
        add_vehicle(scene, rng, art, False, x, z, float(rng.choice([0, np.pi])))
