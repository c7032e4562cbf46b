"""Several seeds as one line with a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.histories import Series

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """A line: mean and deviation over runs.

    Args:
        label: What the legend calls it.
        runs: Number of runs, n.
        steps: Iterations, (N,).
        mean: Over the runs, (N,).
        deviation: Sample standard deviation over the runs, (N,), with n - 1 in the
            denominator as in the tables; None for one run.
        left_out: Points of single runs that not all runs have.
    """

    label: str
    runs: int
    steps: Float
    mean: Float
    deviation: Float | None
    left_out: int = 0


def make_band(label: str, series: Sequence[Series], interpolate: bool) -> Band:
    """Join the same series of several runs.

    Args:
        label: What the legend calls it.
        series: One per run, none of them empty.
        interpolate: Whether runs were logged at iterations of their own (training):
            they are then read, linearly interpolated, at the first run's. Otherwise
            (evaluations) only what all runs have counts: a mean over fewer runs
            would jump where a run ends.

    Raises:
        UserError: If the runs have no iteration in common.

    Examples:
        >>> band = make_band("a", [{10: 1.0, 20: 2.0}, {10: 3.0}], interpolate=False)
        >>> band.steps.tolist(), band.mean.tolist(), band.left_out
        ([10.0], [2.0], 1)
    """
    first, last = max(map(min, series)), min(map(max, series))
    steps = [step for step in series[0] if first <= step <= last]
    if not interpolate:
        steps = [step for step in steps if all(step in run for run in series)]
    if not steps:
        ranges = ", ".join(f"{min(run)} to {max(run)}" for run in series)
        raise UserError(
            f"the {len(series)} runs of {label} have no iteration in common "
            f"({ranges}): they can't be averaged; take other runs or labels"
        )
    values = np.array(
        [np.interp(steps, list(run), list(run.values())) for run in series]
    )
    left_out = len(set().union(*series) - set(steps)) if not interpolate else 0
    return Band(
        label,
        len(series),
        np.array(steps, dtype=np.float64),
        values.mean(axis=0),
        values.std(axis=0, ddof=1) if len(series) > 1 else None,
        left_out,
    )
