"""Rows of houses, and what is seen behind the end of the street."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Finish, Scene
from benchmarks.torcs2camvid.street_renderer.street import Street

Rng = np.random.RandomState
Range = tuple[float, float]
LABEL = Label.BUILDING


def build_row(scene: Scene, rng: Rng, street: Street, art: Art, side: int) -> float:
    """Build the houses of one side.

    Returns:
        The share of plots that are built on.
    """
    z = rng.uniform(2, 12)
    density = float(rng.choice([1.0, 0.9, 0.6, 0.25]))
    style = [art.facades[i] for i in rng.choice(len(art.facades), 6)]
    tall = rng.rand() < 0.22
    while z > -215:
        width = rng.uniform(6, 24)
        inner = street.half_width + street.pavement + street.setback[side]
        inner = inner + rng.uniform(0, 0.6)
        depth = rng.uniform(8, 14)
        free = street.is_clear(z - width / 2, width / 2 + 0.5)
        if free and rng.rand() < density:
            if rng.rand() < 0.8:
                facade = style[rng.randint(6)]
            else:
                facade = art.facades[rng.randint(len(art.facades))]
            _add_house(
                scene, rng, art, facade, side, inner, depth, (z - width, z), tall
            )
        z -= width + (rng.uniform(0, 0.2) if rng.rand() < 0.6 else rng.uniform(1, 9))
    return density


def _add_house(
    scene: Scene,
    rng: Rng,
    art: Art,
    facade: str,
    side: int,
    inner: float,
    depth: float,
    z: Range,
    tall: bool,
) -> None:
    """Build one house: ``inner`` is the distance of its front, ``z`` its ends."""
    storey = rng.uniform(3, 3.6)
    height = storey * (rng.randint(3, 9) if tall else rng.randint(2, 5))
    # The front's texture keeps its shape: whole repetitions, about 8 to 13 m wide.
    width = z[1] - z[0]
    tile = width / max(1, round(width / rng.uniform(8, 13)))
    rows = max(1, round(height / (tile / art.aspect(facade))))
    color = np.clip(rng.uniform(0.75, 1.2) * (1 + rng.randn(3) * 0.05), 0.4, 1.35)
    x = (inner, inner + depth) if side > 0 else (-inner - depth, -inner)
    scene.box(
        facade,
        LABEL,
        x,
        (0, height),
        z,
        tile=(tile, height / rows),
        color=color,
        top=art.walls[0],
    )
    if rng.rand() < 0.45:
        _add_roof(scene, rng, art, facade, x, height, z, color)
    if rng.rand() < 0.35:
        _add_shop(scene, rng, side, inner, z)


def _add_roof(
    scene: Scene,
    rng: Rng,
    art: Art,
    facade: str,
    x: Range,
    eaves: float,
    z: Range,
    color: npt.ArrayLike,
) -> None:
    """Put a gable roof on a house, half of them with a chimney."""
    roof = art.roofs[rng.randint(len(art.roofs))]
    rise = rng.uniform(1.5, 4)
    (left, right), middle, over = x, (x[0] + x[1]) / 2, 0.4
    front, back = z[1] + 0.2, z[0] - 0.2
    tiles = ((z[1] - z[0]) / 3, 2)
    low, ridge = eaves - 0.1, eaves + rise
    for edge, start, end in ((right + over, front, back), (left - over, back, front)):
        slope = (
            (edge, low, start),
            (edge, low, end),
            (middle, ridge, end),
            (middle, ridge, start),
        )
        scene.quad(roof, LABEL, *slope, tiles=tiles)
    gable = [(left, eaves, z[1]), (right, eaves, z[1]), (middle, ridge, z[1])]
    uv = [(0, 0), (0.5, 0), (0.25, 0.3)]
    scene.add(Finish(facade, LABEL), gable, (0, 0, 1), uv, color)
    if rng.rand() < 0.5:
        center = z[1] - (z[1] - z[0]) / 2
        scene.box(
            art.walls[rng.randint(len(art.walls))],
            LABEL,
            (middle - 0.5, middle + 0.5),
            (ridge - 0.8, ridge + 1.1),
            (center - 0.6, center + 0.6),
        )


def _add_shop(scene: Scene, rng: Rng, side: int, inner: float, z: Range) -> None:
    """Put a shop window and a colored board over it on a house's front."""
    x = side * (inner - 0.03)
    board = rng.rand(3) * 0.7 + 0.1
    window = (0.12, 0.13, 0.15)
    for inset, (low, high), color, gloss in (
        (0.4, (2.6, 3.3), board, 0.0),
        (0.6, (0.5, 2.5), window, 0.25),
    ):
        ends = (z[0] + inset, z[1] - inset)
        start, end = ends if side < 0 else ends[::-1]
        pane = ((x, low, start), (x, low, end), (x, high, end), (x, high, start))
        scene.quad("white", LABEL, *pane, color=color, gloss=gloss)


def build_horizon(
    scene: Scene, rng: Rng, art: Art, eye: npt.NDArray[np.float64]
) -> None:
    """Close the view with rows of trees and large houses."""
    for _ in range(14):
        x = rng.uniform(-140, 140)
        if rng.rand() < 0.6:
            forest = art.forests[rng.randint(len(art.forests))]
            foot = (x, 0, -222 + rng.rand() * 6)
            size = (rng.uniform(40, 70), rng.uniform(10, 20))
            gray = (rng.uniform(0.6, 1.0),) * 3
            scene.billboard(forest, Label.TREE, foot, size, eye, gray)
        else:
            facade = art.facades[rng.randint(len(art.facades))]
            height = rng.uniform(8, 28)
            depth = (-232, -222 - rng.rand() * 4)
            sides = (x - 10, x + 10)
            scene.box(facade, LABEL, sides, (0, height), depth, tile=(10, 10))
