"""Whether the classes' features stay apart, measured with ground truth; torch alone.

Nothing here is trained on.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class UnitSums(NamedTuple):
    """Sums of unit-norm features by class, which all mean similarities follow from.

    Args:
        sums: (C, K) float64.
        sizes: Features of each class, (C,) float64.
    """

    sums: Tensor
    sizes: Tensor

    def __add__(self, other: object) -> UnitSums:
        """Pool the features of both."""
        if not isinstance(other, UnitSums):
            return NotImplemented
        return UnitSums(self.sums + other.sums, self.sizes + other.sizes)


def unit_sums(features: Tensor, labels: Tensor, num_classes: int) -> UnitSums:
    """Sum unit-norm features by class.

    Args:
        features: (N, K) of any norm and floating dtype.
        labels: Class of each row, (N,) integers; rows outside [0, C) are ignored.
        num_classes: C.

    Returns:
        The sums.

    Examples:
        >>> unit_sums(torch.eye(2) * 3, torch.tensor([1, 255]), 2).sums.tolist()
        [[0.0, 0.0], [1.0, 0.0]]
    """
    member = labels == torch.arange(num_classes, device=labels.device)[:, None]
    unit = F.normalize(features.double(), dim=1)
    return UnitSums(member.double() @ unit, member.sum(dim=1).double())


def similarity_within(sums: UnitSums) -> Tensor:
    r"""Return the mean cosine similarity of two different features of a class.

    .. math::
        \frac{1}{n_c (n_c - 1)} \sum_{i \ne j} f_i \cdot f_j
            = \frac{\|S_c\|^2 - n_c}{n_c (n_c - 1)}, \qquad S_c = \sum_i f_i

    Args:
        sums: Of unit-norm features f.

    Returns:
        (C,) float64, NaN for classes with fewer than two features.
    """
    n = sums.sizes
    pairs = n * (n - 1)
    return torch.where(
        pairs > 0, (sums.sums.square().sum(dim=1) - n) / pairs, torch.nan
    )


def similarity_between(sums: UnitSums, others: UnitSums | None = None) -> Tensor:
    r"""Return the mean cosine similarity of a class's features to each other class's.

    Together with :func:`similarity_within` it shows a collapse: where all features are
    pulled together, both rise to 1.

    .. math:: B_{cd} = \frac{S_c \cdot S'_d}{n_c n'_d}

    Args:
        sums: Of unit-norm features.
        others: S', such as those of the other domain; by default the same, of which
            the diagonal then holds each feature's similarity to itself, too.

    Returns:
        B, (C, C) float64, NaN where a class has no feature.
    """
    others = sums if others is None else others
    pairs = sums.sizes[:, None] * others.sizes
    return torch.where(pairs > 0, sums.sums @ others.sums.t() / pairs, torch.nan)
