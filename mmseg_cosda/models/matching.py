"""Target pixels matched with a queue (eq. 9), and the shares that sum it up.

The one computation behind the diagnosis in training and the pictures of matches; torch
alone, in chunks, without gradients. The loss itself, in
:mod:`mmseg_cosda.models.functional`, keeps no similarities.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.fused.primitives import choose_pairs, limits

# Similarities held at once: 16 MiB in float32.
_CHUNK_ELEMENTS = 2**22


class PixelMatches(NamedTuple):
    """What each target pixel of a map is compared with, and what is selected.

    Args:
        pairs: Source features that it is compared with, (N, D) int64. D is 1, the
            pixel's own class, or, where the target is not split, C, all classes;
            0 for a pixel of no class.
        selected: Those that count: M > T_cos, at most k of a pixel's, (N, D) int64.
        similarity: Sum of M over all pairs, (N, D) float64.
        best: The highest M, (N,) float32; NaN without a pair.
        place: Its source feature, an index into the rows (C * Q, K) of the queue, (N,)
            int64; -1 without a pair.
    """

    pairs: Tensor
    selected: Tensor
    similarity: Tensor
    best: Tensor
    place: Tensor

    @property
    def pulled(self) -> Tensor:
        """Whether a pair of each pixel counts, (N,)."""
        return self.selected.sum(dim=1) > 0

    @property
    def share(self) -> Tensor:
        """Share of each pixel's pairs that count, (N,); NaN for 0 / 0."""
        return self.selected.sum(dim=1) / self.pairs.sum(dim=1)


@torch.no_grad()
def match_pixels(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    top_k: int | None = None,
    split: bool = True,
) -> PixelMatches:
    r"""Compare each target pixel with the source features of its class, or of all.

    .. math::
        M^c = \frac{{T^c}^T D^c}{\|T^c\|_2^T \|D^c\|_2} \quad \text{(eq. 9)}

    Args:
        features: T, (N, K) of any norm.
        labels: The class of each, (N,); outside [0, C) it is compared with nothing.
        queue: D, (C, Q, K) of unit norm.
        counts: Valid leading rows of each class's queue, (C,).
        threshold: T_cos.
        top_k: At most this many pairs of each pixel count, the most similar; None for
            all above T_cos.
        split: Whether a pixel is compared with the queue of its class alone; else with
            those of all classes (``split_target=False`` of the loss).

    Returns:
        The matches of each pixel, on the features' device.

    Examples:
        >>> queue = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])  # C=1, Q=2, K=2
        >>> pixels = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> found = match_pixels(
        ...     pixels, torch.tensor([0, 255]), queue, torch.tensor([2]), 0.5
        ... )
        >>> found.selected.tolist(), found.place.tolist()
        ([[1], [0]], [1, -1])
    """
    size = (len(features), 1 if split else len(queue))
    count = features.new_zeros(size, dtype=torch.int64)
    total = features.new_zeros(size, dtype=torch.float64)
    best = features.new_full(size[:1], torch.nan, dtype=torch.float32)
    found = PixelMatches(count, count.clone(), total, best, count[:, 0] - 1)
    for members, block, places, sizes in _groups(labels, queue, counts.tolist(), split):
        for rows in members.split(max(1, _CHUNK_ELEMENTS // len(block))):
            similarity = F.normalize(features[rows].float(), dim=1) @ block.t()
            if top_k is not None and limits(top_k, len(block)):
                selected = choose_pairs(similarity, threshold, top_k)
            else:
                selected = similarity > threshold
            found.pairs[rows] = torch.tensor(sizes, device=rows.device)
            found.selected[rows] = _by_class(selected, sizes, torch.int64)
            found.similarity[rows] = _by_class(similarity, sizes, torch.float64)
            found.best[rows], most = similarity.max(dim=1)
            found.place[rows] = places[most]
    return found


def _groups(
    labels: Tensor, queue: Tensor, counts: list[int], split: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor, list[int]]]:
    """Yield pixels that are compared with the same source features, at least one.

    Yields:
        Indices of the pixels, (n,); the source features, (m, K), class after class;
        the place of each in the queue's rows, (m,); how many there are of each class.
    """
    classes, capacity, _ = queue.shape
    ranges = [range(c, c + 1) for c in range(classes)] if split else [range(classes)]
    for those in ranges:
        sizes = [counts[c] for c in those]
        if not sum(sizes):
            continue
        member = (labels >= those.start) & (labels < those.stop)
        block = torch.cat([queue[c, : counts[c]] for c in those]).float()
        places = torch.cat(
            [torch.arange(counts[c], device=queue.device) + c * capacity for c in those]
        )
        yield member.nonzero().squeeze(1), block, places, sizes


def _by_class(values: Tensor, sizes: list[int], dtype: torch.dtype) -> Tensor:
    """Sum values (n, m) over the source features of each class, (n, D)."""
    return torch.stack([x.sum(1, dtype=dtype) for x in values.split(sizes, 1)], dim=1)


@torch.no_grad()
def rank_sources(feature: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the source features of a class by similarity to one target pixel.

    Args:
        feature: (K,) of any norm.
        block: D^c, (n, K) of unit norm.

    Returns:
        M, descending, and the row of each in ``block``, (n,) both.

    Examples:
        >>> rank_sources(torch.tensor([0.0, 3.0]), torch.eye(2))[1].tolist()
        [1, 0]
    """
    similarity = block.float() @ F.normalize(feature.float(), dim=0)
    return similarity.sort(descending=True, stable=True)


class MatchSums(NamedTuple):
    """Sums over target pixels by the class that they are pulled to, (C,) float64.

    Where the target is not split, a pixel of any class counts for each class.

    Args:
        pairs: Pairs (t, d) that are compared.
        selected: Those that count: M > T_cos.
        judged: The selected pairs whose target pixel has a ground truth.
        right: Of these, those whose ground truth is the class of the pair.
        similarity: Sum of M over all pairs.
        pixels: Target pixels.
        pulled: Those with at least one selected pair.
        labelled: Target pixels with a ground truth.
        labelled_pulled: Of these, those with at least one selected pair.
        right_pixels: Labelled pixels of which it is the class; NaN without a split.
    """

    pairs: Tensor
    selected: Tensor
    judged: Tensor
    right: Tensor
    similarity: Tensor
    pixels: Tensor
    pulled: Tensor
    labelled: Tensor
    labelled_pulled: Tensor
    right_pixels: Tensor

    def __add__(self, other: object) -> MatchSums:
        """Pool the pixels of both."""
        if not isinstance(other, MatchSums):
            return NotImplemented
        return MatchSums(*(a + b for a, b in zip(self, other, strict=True)))


def sum_matches(
    found: PixelMatches,
    labels: Tensor,
    truth: Tensor | None,
    num_classes: int,
    split: bool = True,
) -> MatchSums:
    """Sum the matches of target pixels by class; sums of several images add up.

    Args:
        found: Of :func:`match_pixels`.
        labels: The class of each pixel, (N,); outside [0, C) none.
        truth: Its ground truth, (N,); outside [0, C) it has none. None without any.
        num_classes: C.
        split: As in :func:`match_pixels`.

    Returns:
        The sums, on the CPU.
    """
    every = torch.arange(num_classes, device=labels.device)
    member = labels[:, None] == every  # (N, C)
    if not split:
        member = member.any(dim=1, keepdim=True).expand_as(member)
    truth = torch.full_like(labels, -1) if truth is None else truth
    right = truth[:, None] == every
    known = right.any(dim=1, keepdim=True)
    selected = found.selected
    terms = (
        found.pairs,
        selected,
        selected * known,
        selected * right,
        found.similarity,
        torch.ones_like(known),
        selected > 0,
        known,
        known & (selected > 0),
        right,
    )
    sums = MatchSums(
        *(torch.where(member, x, 0).sum(0, dtype=torch.float64).cpu() for x in terms)
    )
    if split:
        return sums
    return sums._replace(right_pixels=torch.full_like(sums.pixels, torch.nan))


def count_matches(
    features: Tensor,
    labels: Tensor,
    truth: Tensor | None,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    top_k: int | None = None,
    split: bool = True,
) -> MatchSums:
    """Match target pixels and sum the matches by class.

    Args:
        features: As in :func:`match_pixels`.
        labels: As there.
        truth: As in :func:`sum_matches`.
        queue: As in :func:`match_pixels`.
        counts: As there.
        threshold: As there.
        top_k: As there.
        split: As there.

    Returns:
        The sums, on the CPU.
    """
    found = match_pixels(features, labels, queue, counts, threshold, top_k, split)
    return sum_matches(found, labels, truth, len(queue), split)


def match_shares(sums: MatchSums, labelled: bool = False) -> dict[str, Tensor]:
    """Return shares in [0, 1] of each class and, as the last entry, overall.

    Args:
        sums: Pooled over some images.
        labelled: Whether ``pulled`` is a share of the pixels that have a ground truth,
            by default of all.

    Returns:
        Each (C + 1,) float64, NaN where nothing was counted: ``selected``, the share
        of pairs that count; ``match_precision``, the share of these whose target
        pixel's ground truth is the queue's class; ``assignment_accuracy``, the share
        of target pixels that are split into their true class; ``pulled``, the share
        of pixels with a selected pair; ``similarity``, the mean of M.
    """
    total = MatchSums(*(torch.cat([x, x.sum()[None]]) for x in sums))
    pulled = total.pulled / total.pixels
    if labelled:
        pulled = total.labelled_pulled / total.labelled
    return {
        "selected": total.selected / total.pairs,
        "match_precision": total.right / total.judged,
        "assignment_accuracy": total.right_pixels / total.labelled,
        "pulled": pulled,
        "similarity": total.similarity / total.pairs,
    }
