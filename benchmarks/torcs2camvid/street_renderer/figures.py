"""Walkers and cyclists, made of capsules."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.solids import add_capsule, sectors

Rng = np.random.RandomState
Color = npt.NDArray[np.float64]

DARK = (0.1, 0.1, 0.1)
WHEEL_RADIUS, AXLES, AXLE_HEIGHT = 0.33, (-0.52, 0.52), 0.34
FRAME = (
    ((-0.52, AXLE_HEIGHT, 0), (-0.15, 0.85, 0)),
    ((-0.52, AXLE_HEIGHT, 0), (-0.05, 0.32, 0)),
    ((-0.05, 0.32, 0), (-0.18, 0.92, 0)),
    ((-0.05, 0.32, 0), (0.38, 0.8, 0)),
    ((-0.15, 0.82, 0), (0.38, 0.85, 0)),
    ((0.52, AXLE_HEIGHT, 0), (0.38, 1.0, 0)),
    ((0.38, 1.0, -0.25), (0.38, 1.0, 0.25)),
)
"""Tubes of a bicycle that heads for x, in metres; the last is the handlebar."""


class Dress(NamedTuple):
    """Colors of a figure."""

    skin: Color
    top: Color
    leg: Color
    hair: Color


def _dress(rng: Rng) -> Dress:
    return Dress(
        skin=np.array([0.85, 0.65, 0.52]) * rng.uniform(0.45, 1.05),
        top=rng.rand(3) * 0.8 + 0.05,
        leg=np.array([0.15, 0.17, 0.28]) * rng.uniform(0.4, 2.2),
        hair=np.array([0.2, 0.13, 0.08]) * rng.uniform(0.2, 2.5),
    )


def add_walker(
    scene: Scene, rng: Rng, x: float, y: float, z: float, angle: float
) -> None:
    """Put a pedestrian on the ground at height ``y``; angle 0 heads to the right."""
    height = rng.uniform(0.9, 1.06)
    dress = _dress(rng)
    figure = Scene()
    label = Label.PEDESTRIAN
    step = rng.uniform(-0.35, 0.35)
    for side in (-1, 1):
        foot, knee = (
            (side * step, 0.1, side * 0.1),
            (side * step * 0.4, 0.48, side * 0.1),
        )
        hip = (0, 0.88, side * 0.09)
        add_capsule(figure, label, foot, knee, 0.07, dress.leg)
        add_capsule(figure, label, knee, hip, 0.085, dress.leg)
        shoulder = (0, 1.4, side * 0.22)
        elbow = (-side * step * 0.5, 1.12, side * 0.26)
        hand = (-side * step * 0.8, 0.88, side * 0.25)
        add_capsule(figure, label, shoulder, elbow, 0.055, dress.top)
        add_capsule(figure, label, elbow, hand, 0.045, dress.skin)
        toes, across = side * step, side * 0.1
        figure.box(
            "white",
            label,
            (toes - 0.06, toes + 0.18),
            (0, 0.08),
            (across - 0.05, across + 0.05),
            color=DARK,
        )
    add_capsule(figure, label, (0, 0.92, 0), (0, 1.38, 0), 0.17, dress.top)
    add_capsule(figure, label, (0, 1.58, 0), (0.02, 1.68, 0), 0.1, dress.skin)
    add_capsule(figure, label, (-0.03, 1.63, 0), (-0.02, 1.72, 0), 0.1, dress.hair)
    scene.place(figure, angle, (x, y, z), height)


def add_cyclist(scene: Scene, rng: Rng, x: float, z: float, angle: float) -> None:
    """Put a cyclist on the road; angle 0 heads to the right."""
    height = rng.uniform(0.9, 1.06)
    dress = _dress(rng)
    figure = Scene()
    label = Label.BICYCLIST
    paint = rng.rand(3) * 0.7
    for axle in AXLES:
        for a, b in sectors(18):
            ends = [
                (
                    axle + WHEEL_RADIUS * math.cos(t),
                    AXLE_HEIGHT + WHEEL_RADIUS * math.sin(t),
                    0,
                )
                for t in (a, b)
            ]
            add_capsule(figure, label, ends[0], ends[1], 0.022, DARK, 5)
    for start, end in FRAME:
        add_capsule(figure, label, start, end, 0.022, paint, 5)
    for side in (-1, 1):
        knee = (0.15, 0.68 + 0.1 * side, side * 0.12)
        pedal = (0, 0.25 + 0.2 * (side > 0), side * 0.12)
        add_capsule(figure, label, (-0.18, 0.95, side * 0.1), knee, 0.085, dress.leg)
        add_capsule(figure, label, knee, pedal, 0.065, dress.leg)
        shoulder, hand = (0.02, 1.38, side * 0.2), (0.38, 1.03, side * 0.22)
        add_capsule(figure, label, shoulder, hand, 0.05, dress.top)
    add_capsule(figure, label, (-0.17, 0.98, 0), (0.02, 1.42, 0), 0.17, dress.top)
    add_capsule(figure, label, (0.12, 1.62, 0), (0.14, 1.7, 0), 0.1, dress.skin)
    helmet = dress.hair if rng.rand() < 0.5 else rng.rand(3)
    add_capsule(figure, label, (0.1, 1.7, 0), (0.1, 1.74, 0), 0.105, helmet)
    scene.place(figure, angle, (x, 0.0, z), height)
