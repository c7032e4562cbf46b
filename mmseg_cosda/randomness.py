"""Randomness that is derived, never stored, so that resuming is exact."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(*parts: int) -> int:
    """Mix integers into one seed.

    Args:
        parts: Non-negative integers, such as (run seed, iteration, rank).

    Returns:
        An integer in [0, 2**63), a pure function of ``parts``.

    Examples:
        >>> derive_seed(0, 1) == derive_seed(0, 1) != derive_seed(1, 0)
        True
    """
    state = np.random.SeedSequence(parts).generate_state(1, np.uint64)
    return int(state[0]) >> 1


@contextmanager
def derived_randomness(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and PyTorch's (CPU) generators within a block.

    The host's transforms draw from the global generators; within the block what
    they draw is a function of ``seed`` alone, and afterwards the generators are
    as they were.

    Args:
        seed: A non-negative integer, see :func:`derive_seed`.

    Yields:
        Nothing.

    Examples:
        >>> with derived_randomness(3):
        ...     first = np.random.rand()
        >>> with derived_randomness(3):
        ...     np.random.rand() == first
        True
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.default_generator.manual_seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
