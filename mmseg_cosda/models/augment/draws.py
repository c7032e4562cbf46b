"""The random numbers of a step: drawn on the CPU, the same on every device."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from mmseg_cosda.randomness import derive_seed


class Draw(IntEnum):
    """What random numbers are for: each purpose has a stream of its own.

    The numbers keep clear of what else is derived of a step's seed: ranks and images.
    A purpose is of the whole batch or of an image, never both: ``derive_seed`` can't
    tell (seed, purpose) from (seed, purpose, 0), an image's index.
    """

    MIXED_CLASSES = 2_000_001
    MIXED_WHETHER = 2_000_002
    MIXED_COLOR = 2_000_003
    MASKED_BLOCKS = 2_000_004
    MASKED_WHETHER = 2_000_005
    MASKED_COLOR = 2_000_006


def batch_draws(seed: int | None, purpose: Draw) -> np.random.Generator:
    """Return the generator of what is decided once for the images of all processes.

    Args:
        seed: The step's; None counts as 0.
        purpose: What it is for.
    """
    return np.random.default_rng(derive_seed(seed or 0, purpose))


def image_draws(
    seed: int | None, purpose: Draw, first_image: int, count: int
) -> list[np.random.Generator]:
    """Return the generator of each image of a batch.

    Args:
        seed: The step's; None counts as 0.
        purpose: What they are for.
        first_image: Index of the first image among those of all processes, so that
            N processes with one image draw what one process with N images does.
        count: How many images.

    Examples:
        >>> a, b = image_draws(7, Draw.MIXED_COLOR, 0, 2)
        >>> (c,) = image_draws(7, Draw.MIXED_COLOR, 1, 1)
        >>> b.random() == c.random() != a.random()
        True
    """
    indices = range(first_image, first_image + count)
    seeds = [derive_seed(seed or 0, purpose, index) for index in indices]
    return [np.random.default_rng(each) for each in seeds]
