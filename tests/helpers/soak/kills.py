"""When a training is killed: drawn before it starts, from a seed."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

Kind = Literal["step", "checkpoint", "validation", "start"]
KINDS: tuple[Kind, ...] = ("step", "checkpoint", "validation", "start")


class Kill(NamedTuple):
    """One ``kill -9``.

    Args:
        kind: "step" at any moment, "checkpoint" as soon as the files of the work folder
            change, "validation" while a checkpoint is evaluated, "start" in the first
            seconds of a process, before it has gone far.
        iteration: The first that it may come at; of "start" it doesn't count.
        delay: In [0, 1), of the time that the moment lasts.
        alone: Whether the data workers are left to end by themselves.
    """

    kind: Kind
    iteration: int
    delay: float
    alone: bool


def plan_kills(
    number: int, iterations: int, val_interval: int, rng: random.Random
) -> list[Kill]:
    """Draw kills, in the order in which they come.

    Args:
        number: Of kills.
        iterations: Of the training.
        val_interval: Its last evaluation is one of those that may be killed.
        rng: Where they are drawn from.

    Returns:
        As many of each kind as can be; those of "start" right behind others.

    Examples:
        >>> kills = plan_kills(8, 2000, 100, random.Random(0))
        >>> sorted({kill.kind for kill in kills}), len(kills)
        (['checkpoint', 'start', 'step', 'validation'], 8)
        >>> [kill.iteration for kill in kills] == sorted(k.iteration for k in kills)
        True
    """
    kinds = [KINDS[i % len(KINDS)] for i in range(number)]
    rng.shuffle(kinds)
    last = iterations - val_interval // 2
    places = sorted(rng.randrange(last) for _ in range(number))
    return [
        Kill(kind, place, rng.random(), rng.random() < 0.5)
        for kind, place in zip(kinds, places, strict=True)
    ]
