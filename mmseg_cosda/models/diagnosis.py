"""What an adaptation does to the features, measured with ground truth; torch alone.

Nothing here is trained on: these figures tell whether matches are right and whether
the classes stay apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.fused.primitives import choose_pairs, limits

_CHUNK_ROWS = 512  # target features whose similarities to a whole queue are held


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


class MatchCounts(NamedTuple):
    """What eq. 9 and 10 select on labelled target images, by the class they pull to.

    Args:
        pairs: Pairs (t, d) that are compared, (C,) float64.
        selected: Those with M > T_cos.
        judged: The selected pairs whose target pixel has a ground truth.
        right: Of these, those whose ground truth is the class of the pair.
        similarity: Sum of M over all pairs.
        pixels: Target pixels of each class that have a ground truth.
        right_pixels: Of these, those of which it is the class.
        pulled_pixels: Pixels with at least one selected pair, with a ground truth.
    """

    pairs: Tensor
    selected: Tensor
    judged: Tensor
    right: Tensor
    similarity: Tensor
    pixels: Tensor
    right_pixels: Tensor
    pulled_pixels: Tensor

    def __add__(self, other: object) -> MatchCounts:
        """Count the pairs of both."""
        if not isinstance(other, MatchCounts):
            return NotImplemented
        return MatchCounts(*(a + b for a, b in zip(self, other, strict=True)))


@torch.no_grad()
def count_matches(
    features: Tensor,
    labels: Tensor,
    truth: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    top_k: int | None = None,
    split: bool = True,
) -> MatchCounts:
    """Count the pairs that eq. 10 selects, and those that are right.

    Args:
        features: Target features T, (N, K).
        labels: The class that each is compared with, (N,); outside [0, C) none.
        truth: Ground truth of each, (N,); outside [0, C) it has none.
        queue: D, (C, Q, K) of unit norm, of which the first ``counts[c]`` rows of
            class c are valid.
        counts: (C,) integers.
        threshold: T_cos.
        top_k: At most so many pairs of each target feature; None for all.
        split: Whether a feature is compared with its class's queue alone; else with
            all, T_cos being >= 0 and rows that aren't valid zero, and each pixel counts
            for each class. What is split rightly is then NaN.

    Returns:
        The counts, by class of the queue.
    """
    num_classes = len(queue)
    if not split:
        member = (labels >= 0) & (labels < num_classes)
        return _count_with_all(
            features[member], truth[member], queue, counts, threshold, top_k
        )
    known = (truth >= 0) & (truth < num_classes)
    rows = []
    for c in range(num_classes):
        member = labels == c
        block = queue[c, : int(counts[c])].float()
        similarity = F.normalize(features[member].float(), dim=1) @ block.t()
        chosen = (similarity > threshold).sum(dim=1)
        if top_k is not None:
            chosen = chosen.clamp(max=top_k)
        judged, right = known[member], truth[member] == c
        terms = (
            similarity.numel(),
            chosen.sum(),
            chosen[judged].sum(),
            chosen[right].sum(),
            similarity.sum(dtype=torch.float64),
            judged.sum(),
            right.sum(),
            (judged & (chosen > 0)).sum(),
        )
        rows.append(torch.tensor([float(term) for term in terms], dtype=torch.float64))
    return MatchCounts(*torch.stack(rows, dim=1))


def _count_with_all(
    features: Tensor,
    truth: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    top_k: int | None,
) -> MatchCounts:
    """Count the pairs of features that are compared with every class's queue."""
    num_classes, capacity, channels = queue.shape
    sizes = counts.double()
    total = MatchCounts(*torch.zeros(8, num_classes, dtype=torch.float64))
    block = queue.reshape(num_classes * capacity, channels).float()
    for rows, true in zip(
        features.split(_CHUNK_ROWS), truth.split(_CHUNK_ROWS), strict=True
    ):
        similarity = F.normalize(rows.float(), dim=1) @ block.t()
        if limits(top_k, len(block)):
            assert top_k is not None  # limits() has told
            selected = choose_pairs(similarity, threshold, top_k)
        else:
            selected = similarity > threshold
        by_class = (len(rows), num_classes, capacity)
        chosen = selected.view(by_class).sum(dim=2)
        known = (true >= 0) & (true < num_classes)
        right = true[:, None] == torch.arange(num_classes, device=true.device)
        terms = (
            len(rows) * sizes,
            chosen.sum(dim=0),
            chosen[known].sum(dim=0),
            (chosen * right).sum(dim=0),
            similarity.view(by_class).sum(dim=(0, 2), dtype=torch.float64),
            known.sum().expand(num_classes),
            torch.full_like(sizes, torch.nan),
            (chosen[known] > 0).sum(dim=0),
        )
        total = total + MatchCounts(*(term.double().cpu() for term in terms))
    return total


def match_figures(counts: MatchCounts) -> dict[str, Tensor]:
    """Return shares in [0, 1] for each class and, as the last entry, for all pairs.

    Args:
        counts: Pooled over some images.

    Returns:
        Each (C + 1,) float64, NaN where nothing was counted: ``selected``, the share
        of pairs above T_cos; ``purity``, the share of selected pairs whose target
        ground truth is the queue's class; ``split``, the share of target pixels that
        are split into their true class; ``pulled``, the share of pixels with a selected
        pair; ``similarity``, the mean of M.
    """
    total = MatchCounts(*(torch.cat([x, x.sum()[None]]) for x in counts))
    return {
        "selected": total.selected / total.pairs,
        "purity": total.right / total.judged,
        "split": total.right_pixels / total.pixels,
        "pulled": total.pulled_pixels / total.pixels,
        "similarity": total.similarity / total.pairs,
    }
