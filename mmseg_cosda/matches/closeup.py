"""What is shown of a target image: its map, and some pixels with their matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmseg_cosda.matches.choice import choose_pixels, choose_sources
from mmseg_cosda.matches.geometry import MapGeometry, Patch, UInt8, crop
from mmseg_cosda.matches.target import TargetMap
from mmseg_cosda.models.matching import PixelMatches, rank_sources

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SourceMatch:
    """A source feature that a target pixel is compared with.

    Args:
        image: Index of its image in the source dataset.
        point: (x, y) in that image.
        similarity: M.
        selected: Whether the pair counts.
        patch: The source image around it.
    """

    image: int
    point: tuple[float, float]
    similarity: float
    selected: bool
    patch: Patch


@dataclass(frozen=True)
class TargetPixel:
    """A target pixel that is looked at closely.

    Args:
        point: (x, y) in the image.
        label: The class it is split into.
        truth: Its ground truth; None where it has none.
        share: Share of the class's queue that it is pulled by.
        patch: The target image around it.
        matches: The most similar first.
    """

    point: tuple[float, float]
    label: int
    truth: int | None
    share: float
    patch: Patch
    matches: Sequence[SourceMatch]

    @property
    def right(self) -> bool | None:
        """Whether it is pulled towards its true class; None without ground truth."""
        return None if self.truth is None else self.truth == self.label


@dataclass(frozen=True)
class MatchedImage:
    """What is shown of a target image.

    Args:
        name: Of the image.
        picture: (H, W, 3) RGB.
        geometry: Of the map.
        labels: The class of each pixel of the map, (h, w).
        share: Share of its class's queue that each is pulled by, (h, w); NaN where the
            queue is empty.
        best: The highest similarity of each, (h, w), NaN too.
        pixels: Some of them closely.
        figures: Of :func:`mmseg_cosda.matches.share_table.share_rows`, overall.
    """

    name: str
    picture: UInt8
    geometry: MapGeometry
    labels: npt.NDArray[np.int64]
    share: Float
    best: Float
    pixels: Sequence[TargetPixel]
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Bank:
    """The queue of a map, and where its features come from.

    Args:
        queue: D, (C, Q, K).
        counts: Valid leading rows of each class, (C,).
        origins: (C, Q, 2): the source image, as a position in ``images``, and the row.
        images: The source dataset's index of each image.
        geometries: Of each image's map.
        picture: Returns a source image, (H, W, 3) RGB, by the dataset's index.
        threshold: T_cos.
        top_k: At most this many pairs of each target pixel count; None for all.
    """

    queue: Tensor
    counts: Tensor
    origins: Tensor
    images: Sequence[int]
    geometries: Sequence[MapGeometry]
    picture: Callable[[int], UInt8]
    threshold: float
    top_k: int | None = None


def look_closely(
    picture: UInt8,
    target: TargetMap,
    found: PixelMatches,
    bank: Bank,
    count: int = 6,
    sources: int = 3,
    side: int | None = None,
) -> list[TargetPixel]:
    """Choose pixels of a target map, and find what they are pulled towards.

    Args:
        picture: The target image, (H, W, 3) RGB.
        target: Its map.
        found: The matches of its pixels.
        bank: What they are matched with.
        count: Pixels, see :func:`choose_pixels`.
        sources: Source features of each, see :func:`choose_sources`.
        side: Of the patches, pixels; None for a third of the image's height.
    """
    height, width = target.geometry.map_size
    truth = target.truth
    chosen = choose_pixels(
        found, target.labels, truth, width, count, max(2.0, min(height, width) / 6)
    )
    side = side or max(8, picture.shape[0] // 3)
    pixels = []
    for index in chosen:
        true = -1 if truth is None else int(truth[index])
        pixels.append(
            TargetPixel(
                point=target.geometry.center(index),
                label=int(target.labels[index]),
                truth=None if true < 0 else true,
                share=float(found.share[index]),
                patch=crop(picture, target.geometry, index, side),
                matches=_matches(target, index, found, bank, sources, side),
            )
        )
    return pixels


def _matches(
    target: TargetMap,
    index: int,
    found: PixelMatches,
    bank: Bank,
    count: int,
    side: int,
) -> list[SourceMatch]:
    label = int(target.labels[index])
    block = bank.queue[label, : int(bank.counts[label])]
    similarity, rows = rank_sources(target.rows[index], block)
    selected = int(found.selected[index].sum())
    if selected:  # what does not pull is not shown beside what does
        similarity, rows = similarity[:selected], rows[:selected]
    origins = bank.origins[label, rows].cpu()
    matches = []
    for position in choose_sources(origins[:, 0], count):
        push, row = origins[position].tolist()
        image, geometry = bank.images[push], bank.geometries[push]
        matches.append(
            SourceMatch(
                image=image,
                point=geometry.center(row),
                similarity=float(similarity[position]),
                selected=selected > 0,
                patch=crop(bank.picture(image), geometry, row, side),
            )
        )
    return matches


def as_map(values: Tensor, size: tuple[int, int]) -> npt.NDArray[Any]:
    """Return values of a map's pixels, (h * w,), as an array (h, w)."""
    if values.is_floating_point():
        values = values.double()
    return np.asarray(torch.reshape(values, size).cpu().numpy())
