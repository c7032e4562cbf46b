"""Which target pixels are looked at closely, and which of their source features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from mmseg_cosda.models.matching import PixelMatches


def choose_pixels(
    found: PixelMatches,
    labels: Tensor,
    truth: Tensor | None,
    width: int,
    count: int,
    distance: float,
) -> list[int]:
    """Choose target pixels, spread over the classes and over the image.

    Class by class, the one with the most pulled pixels first, the pixel with the
    highest similarity is taken, then the second of each, and so on. Where none of
    them is pulled towards a wrong class, the last makes room for the most similar that
    is. Where nothing is pulled, the most similar pixels are taken all the same.

    Args:
        found: Of a target map.
        labels: The class of each pixel, (N,).
        truth: Its ground truth, (N,), negative where it has none; None without any.
        width: w of the map.
        count: How many, at most.
        distance: Least distance of two of them, pixels of the map.

    Returns:
        Indices in raster order of the map, in the order of choice.
    """
    pulled = found.pulled
    if not pulled.any():
        pulled = found.pairs[:, 0] > 0
    wrong = torch.zeros_like(pulled)
    if truth is not None:
        wrong = pulled & (truth >= 0) & (truth != labels)
    classes, sizes = labels[pulled].unique(return_counts=True)
    order = classes[sizes.argsort(descending=True, stable=True)].tolist()
    queues = [_most_similar(found.best, pulled & (labels == c)) for c in order]
    chosen: list[int] = []
    while queues and len(chosen) < count:
        before = len(chosen)
        for queue in queues:
            if len(chosen) < count:
                chosen += _first_apart(queue, chosen, width, distance)
        if len(chosen) == before:
            break
    if wrong.any() and not wrong[chosen].any():
        kept = chosen[: count - 1]
        last = _first_apart(_most_similar(found.best, wrong), kept, width, distance)
        chosen = kept + last if last else chosen
    return chosen


def _most_similar(best: Tensor, member: Tensor) -> Iterator[int]:
    """Yield the members, the most similar first, of equals the first in the map."""
    rows = member.nonzero().squeeze(1)
    return iter(rows[best[rows].argsort(descending=True, stable=True)].tolist())


def _first_apart(
    candidates: Iterable[int], chosen: list[int], width: int, distance: float
) -> list[int]:
    """Take the first candidate that is far enough from all that are chosen."""
    for index in candidates:
        y, x = divmod(index, width)
        places = (divmod(other, width) for other in chosen)
        if all((x - u) ** 2 + (y - v) ** 2 >= distance**2 for v, u in places):
            return [index]
    return []


def choose_sources(images: Tensor, count: int) -> list[int]:
    """Choose matches to show: the best of each source image before the second of any.

    Args:
        images: The source image of each match, the most similar match first, (n,).
        count: How many, at most.

    Returns:
        Positions in ``images``, ascending.

    Examples:
        >>> choose_sources(torch.tensor([7, 7, 7, 3, 7]), 3)
        [0, 1, 3]
    """
    seen: set[int] = set()
    first: list[int] = []
    rest: list[int] = []
    for position, image in enumerate(images.tolist()):
        (rest if image in seen else first).append(position)
        seen.add(image)
    return sorted([*first, *rest][:count])
