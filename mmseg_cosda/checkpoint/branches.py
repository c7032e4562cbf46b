"""How many branches of a public DeepLabV2 classifier were ever summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from mmseg_cosda.errors import UserError

INITIAL_STD = 0.01
# Some 5 standard errors of the statistics of 19 x 2048 x 9 values.
STD_TOLERANCE, KURTOSIS_TOLERANCE = 0.006, 0.05


def is_untouched(weight: Tensor) -> bool:
    """Return whether a branch still holds the values it was initialized with.

    The public code draws weights from N(0, 0.01). A branch that the forward pass
    skips gets no gradient, so neither steps nor weight decay ever change it.

    Args:
        weight: (C, k, 3, 3).

    Returns:
        True if mean, standard deviation and kurtosis are those of N(0, 0.01).

    Examples:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> initial = torch.randn(19, 2048, 3, 3, generator=generator) * 0.01
        >>> is_untouched(initial), is_untouched(0.93 * initial)
        (True, False)
    """
    values = weight.double()
    mean, std = float(values.mean()), float(values.std())
    if std == 0:
        return False
    kurtosis = float((((values - mean) / std) ** 4).mean())
    return (
        abs(std / INITIAL_STD - 1) < STD_TOLERANCE
        and abs(mean) < 5 * INITIAL_STD / values.numel() ** 0.5
        and abs(kurtosis - 3) < KURTOSIS_TOLERANCE
    )


def count_summed_branches(
    weights: Sequence[Tensor], choice: Literal["auto", "2", "4"] = "auto"
) -> tuple[int, str]:
    """Find out whether two or four branches make the network's output.

    The names in a file don't tell; the values do: where the public code sums two,
    the others still hold their initial values.

    Args:
        weights: Weights of the branches with dilations 6, 12, 18, 24, each
            (C, k, 3, 3).
        choice: ``"auto"``, or the number as the user knows it.

    Returns:
        The number of branches and how it was chosen.

    Raises:
        UserError: If ``choice`` isn't one of these or more than there are, or the
            values don't tell.
    """
    if choice not in ("auto", "2", "4"):
        raise UserError(f"--dilations is {choice!r}: choose auto, 2 or 4")
    if choice != "auto":
        if len(weights) < int(choice):
            raise UserError(
                f"--dilations is {choice}, but the file has {len(weights)} branches"
            )
        return int(choice), f"--dilations {choice}"
    if len(weights) == 2:
        return 2, "the file has two branches"
    untouched = [is_untouched(weight) for weight in weights]
    if untouched == [False, False, True, True]:
        return 2, "branches 3 and 4 still hold initial values N(0, 0.01)"
    if untouched == [False] * 4:
        return 4, "all four branches were trained"
    raise UserError(
        "the weights don't tell whether 2 or 4 branches are summed: give --dilations 2 "
        "(AdaptSegNet, SIM, BDL before 2020-07) or --dilations 4 (ADVENT, IntraDA, "
        "FDA, BDL today)"
    )
