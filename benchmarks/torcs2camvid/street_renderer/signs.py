"""Traffic signs and traffic lights on their posts."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.solids import add_cylinder, add_disc

Rng = np.random.RandomState

RED, PALE, BLUE = (0.8, 0.05, 0.05), (0.95, 0.95, 0.95), (0.05, 0.15, 0.6)
BOARDS = ((0.05, 0.3, 0.12), (0.05, 0.15, 0.5), (0.92, 0.92, 0.88), (0.85, 0.75, 0.1))
LAMPS = ((0.1, 0.9, 0.3), (1, 0.7, 0.1), (1, 0.1, 0.1))
LABEL = Label.SIGNSYMBOL


def add_sign(scene: Scene, rng: Rng, x: float, y: float, z: float, facing: int) -> None:
    """Put up a round, triangular or square sign or a traffic light.

    Args:
        scene: Where it is added.
        rng: Draws its kind and size.
        x: Its post.
        y: Height of the ground.
        z: Its post.
        facing: 1 if it faces the camera, -1 if it shows its back.
    """
    height = rng.uniform(2.1, 3.0)
    add_cylinder(
        scene, Label.POLE, (x, z), 0.04, (y, y + height + 0.5), (0.5, 0.5, 0.5)
    )
    kind = rng.randint(5)
    radius = rng.uniform(0.28, 0.42)
    middle, front = y + height + 0.25, z + facing * 0.06
    back = (x, middle, front)
    top = (x, middle, front + facing * 0.01)
    if kind == 0:  # prohibition
        add_disc(scene, LABEL, back, radius, 16, facing, RED)
        add_disc(scene, LABEL, top, radius * 0.75, 16, facing, PALE)
    elif kind == 1:  # danger
        up = math.pi / 2
        add_disc(scene, LABEL, back, radius * 1.2, 3, facing, RED, up)
        add_disc(scene, LABEL, top, radius * 0.8, 3, facing, PALE, up)
    elif kind == 2:  # mandatory
        add_disc(scene, LABEL, back, radius, 16, facing, BLUE)
        add_disc(scene, LABEL, top, radius * 0.5, 4, facing, PALE, 0.3)
    elif kind == 3:
        _add_board(scene, rng, x, middle, front)
    else:
        _add_traffic_light(scene, rng, x, middle, front)


def _add_board(scene: Scene, rng: Rng, x: float, y: float, z: float) -> None:
    """Add a board with a line of text, which is a bar in the complement's color."""
    half, high = rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.7)
    color = BOARDS[rng.randint(len(BOARDS))]
    text = (1 - np.array(color)) * 0.8 + 0.1
    sides, line = (x - half, x + half), (x - half * 0.8, x + half * 0.8)
    heights = (y - high / 2, y + high / 2)
    scene.box("white", LABEL, sides, heights, (z - 0.02, z + 0.02), color=color)
    heights = (y - 0.05, y + 0.05)
    scene.box("white", LABEL, line, heights, (z - 0.03, z + 0.03), color=text)


def _add_traffic_light(scene: Scene, rng: Rng, x: float, y: float, z: float) -> None:
    """Add three lamps, one of them on."""
    scene.box(
        "white",
        LABEL,
        (x - 0.17, x + 0.17),
        (y - 0.45, y + 0.5),
        (z - 0.14, z + 0.1),
        color=(0.06, 0.06, 0.06),
    )
    lit = rng.randint(len(LAMPS))
    for i, lamp in enumerate(LAMPS):
        color = np.array(lamp) * (1.0 if i == lit else 0.2)
        height = y - 0.3 + i * 0.3
        scene.box(
            "white",
            LABEL,
            (x - 0.1, x + 0.1),
            (height - 0.1, height + 0.1),
            (z + 0.1, z + 0.13),
            color=color,
        )
