"""What a row has above a baseline, seed by seed, and whether that is noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

# Student's t at 95 %, two-sided, by number of seeds.
_STUDENT = {
    2: 12.7062,
    3: 4.3027,
    4: 3.1824,
    5: 2.7764,
    6: 2.5706,
    7: 2.4469,
    8: 2.3646,
    9: 2.3060,
}


def paired_gains(values: Mapping[int, float], base: Mapping[int, float]) -> list[float]:
    """Return what a row has above the baseline, for each seed that both have.

    Args:
        values: By seed.
        base: The baseline's, by seed.

    Examples:
        >>> paired_gains({0: 3.0, 1: 5.0}, {0: 2.0, 1: 2.0, 2: 9.0})
        [1.0, 3.0]
    """
    return [values[seed] - base[seed] for seed in sorted(set(values) & set(base))]


def standard_error(gains: Sequence[float]) -> float:
    """Return s / sqrt(n) of at least two differences.

    Examples:
        >>> standard_error([1.0, 3.0])
        1.0
    """
    return statistics.stdev(gains) / math.sqrt(len(gains))


def half_width(gains: Sequence[float]) -> float:
    """Return half the width of the mean's 95 % confidence interval.

    Args:
        gains: One per seed, at least two.

    Returns:
        Student's t for that many seeds (above nine, 2.26) times the standard error.

    Examples:
        >>> round(half_width([0.56, 0.92, 0.55]), 2)
        0.52
    """
    return _STUDENT.get(len(gains), 2.26) * standard_error(gains)


def beyond_noise(gains: Sequence[float]) -> bool:
    """Return whether the mean of paired differences is not zero, at 95 %.

    Args:
        gains: One per seed.

    Returns:
        Whether zero is outside the confidence interval; False for one seed.

    Examples:
        >>> beyond_noise([0.56, 0.92, 0.55]), beyond_noise([0.07, 0.18, -0.01])
        (True, False)
    """
    return len(gains) > 1 and abs(statistics.fmean(gains)) > half_width(gains)
