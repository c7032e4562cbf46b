"""Figures of matches, by class and overall."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from prettytable import PrettyTable
from torch import Tensor

from mmseg_cosda.matches.similarity import PixelMatches


class MatchSums(NamedTuple):
    """Sums over target pixels, by the class that they are split into, (C,) float64.

    Args:
        pixels: Target pixels.
        pulled: Those with at least one selected pair.
        pairs: Pairs that are compared.
        selected: Those that count: M > T_cos.
        total: Sum of M over all pairs.
        judged: The selected pairs whose target pixel has a ground truth.
        right: Of these, those whose ground truth is the class.
        labelled: Target pixels with a ground truth.
        right_pixels: Of these, those of which it is the class.
    """

    pixels: Tensor
    pulled: Tensor
    pairs: Tensor
    selected: Tensor
    total: Tensor
    judged: Tensor
    right: Tensor
    labelled: Tensor
    right_pixels: Tensor

    def __add__(self, other: object) -> MatchSums:
        """Pool the pixels of both."""
        if not isinstance(other, MatchSums):
            return NotImplemented
        return MatchSums(*(a + b for a, b in zip(self, other, strict=True)))


def sum_matches(
    found: PixelMatches, labels: Tensor, truth: Tensor | None, num_classes: int
) -> MatchSums:
    """Sum the matches of a target map by class.

    Args:
        found: Of its pixels.
        labels: The class of each, (N,); outside [0, C) none.
        truth: Its ground truth, (N,), negative where it has none; None without any.
        num_classes: C.
    """
    known = torch.zeros_like(labels, dtype=torch.bool)
    right = known
    if truth is not None:
        known = truth >= 0
        right = truth == labels
    terms = (
        torch.ones_like(labels),
        found.selected > 0,
        found.pairs,
        found.selected,
        found.total,
        found.selected * known,
        found.selected * right,
        known,
        right,
    )
    member = labels == torch.arange(num_classes, device=labels.device)[:, None]
    return MatchSums(*((member.double() @ term.double()).cpu() for term in terms))


def sum_all(sums: Sequence[MatchSums]) -> MatchSums:
    """Pool the sums of some images, at least one."""
    return functools.reduce(operator.add, sums)


def match_shares(sums: MatchSums) -> list[dict[str, float | None]]:
    """Return the figures of each class and, as the last entry, overall.

    Args:
        sums: Pooled over some images.

    Returns:
        Of each: ``pixels``; ``pairs``; ``selected``, the share of pairs that count;
        ``pulled``, the share of pixels with a selected pair; ``similarity``, the mean
        of M; ``purity``, the share of selected pairs whose target ground truth is the
        queue's class, and ``split``, the share of pixels that are split into their
        true class. None where nothing was counted.
    """
    rows = []
    for c in [*range(len(sums.pixels)), None]:
        one = MatchSums(*(x.sum() if c is None else x[c] for x in sums))
        rows.append(
            {
                "pixels": int(one.pixels),
                "pairs": int(one.pairs),
                "selected": _share(one.selected, one.pairs),
                "pulled": _share(one.pulled, one.pixels),
                "similarity": _share(one.total, one.pairs),
                "purity": _share(one.right, one.judged),
                "split": _share(one.right_pixels, one.labelled),
            }
        )
    return rows


def _share(part: Tensor, whole: Tensor) -> float | None:
    value = float(part / whole)
    return value if math.isfinite(value) else None


COLUMNS = {
    "pixels": "pixels",
    "selected": "pairs selected, %",
    "pulled": "pixels pulled, %",
    "similarity": "mean M",
    "purity": "purity, %",
    "split": "split right, %",
}


def shares_table(
    rows: Sequence[dict[str, float | None]],
    classes: Sequence[str],
    features: Sequence[int],
) -> str:
    """Write the figures for people.

    Args:
        rows: Of :func:`match_shares`.
        classes: Names.
        features: Source features of each class.

    Returns:
        A table; without ground truth, it lacks what needs one.
    """
    keys = [key for key in COLUMNS if any(row[key] is not None for row in rows)]
    table = PrettyTable(["class", "source features", *(COLUMNS[key] for key in keys)])
    table.align = "r"
    table.align["class"] = "l"
    names, sizes = [*classes, "all"], [*features, sum(features)]
    for name, size, row in zip(names, sizes, rows, strict=True):
        table.add_row([name, size, *(_cell(key, row[key]) for key in keys)])
    return str(table)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key == "pixels":
        return f"{value:.0f}"
    return f"{value:.3f}" if key == "similarity" else f"{100 * value:.1f}"
