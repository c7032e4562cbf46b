"""Which pixels and which source patches are shown, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_cosda.matches.choice import choose_pixels, choose_sources
from mmseg_cosda.matches.geometry import MapGeometry, crop
from mmseg_cosda.models.functional import resize_labels
from mmseg_cosda.models.matching import PixelMatches

# A map of 2 x 4 pixels.
LABELS = torch.tensor([0, 0, 0, 1, 0, 0, 1, 2])
BEST = torch.tensor([0.9, 0.95, 0.8, 0.7, 0.6, 0.5, 0.75, 0.99])


def matches(selected: list[int]) -> PixelMatches:
    chosen = torch.tensor(selected)[:, None]
    similarity = torch.zeros(8, 1).double()
    return PixelMatches(
        torch.full((8, 1), 4), chosen, similarity, BEST, torch.arange(8)
    )


def choose(
    selected: list[int], truth: Tensor | None, count: int, distance: float = 1.0
) -> list[int]:
    return choose_pixels(matches(selected), LABELS, truth, 4, count, distance)


def test_classes_take_turns_the_largest_first() -> None:
    everything = [1] * 8
    assert choose(everything, None, 3) == [1, 6, 7]
    assert choose(everything, None, 5) == [1, 6, 7, 0, 3]


def test_only_what_is_pulled_is_chosen() -> None:
    assert choose([1, 0, 2, 0, 1, 0, 0, 0], None, 4) == [0, 2, 4]


def test_where_nothing_is_pulled_the_most_similar_are_shown() -> None:
    assert choose([0] * 8, None, 3) == [1, 6, 7]


def test_one_that_is_pulled_wrongly_is_among_them() -> None:
    truth = LABELS.clone()
    truth[[4, 5]] = 2  # the least similar of class 0
    assert choose([1] * 8, truth, 3) == [1, 6, 4]
    assert choose([1] * 8, truth, 8)[:3] == [1, 6, 7]  # comes by itself
    truth[4] = -1  # no ground truth: nobody knows
    assert choose([1] * 8, truth, 3) == [1, 6, 5]
    truth[5] = 0
    assert choose([1] * 8, truth, 3) == [1, 6, 7]


def test_they_keep_their_distance() -> None:
    # 6 is nearer than 2 to 1, so that class 1 takes 3; 7 is below 3.
    assert choose([1] * 8, None, 4, distance=2.0) == [1, 3]
    assert choose([1] * 8, None, 4, distance=99.0) == [1]


def test_sources_of_different_images_come_first() -> None:
    images = torch.tensor([4, 4, 9, 4, 2])
    assert choose_sources(images, 2) == [0, 2]
    assert choose_sources(images, 3) == [0, 2, 4]
    assert choose_sources(images, 4) == [0, 1, 2, 4]
    assert choose_sources(images, 9) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("padding", [0, 3])
def test_a_map_s_pixel_lies_where_its_label_came_from(padding: int) -> None:
    """The label that is resized to a pixel is inside of the pixel's cell."""
    size, small = (12, 18), (3, 6)
    where = torch.arange(12 * 18).view(1, *size)
    resized = resize_labels(where, small, padding, -1).flatten()
    geometry = MapGeometry(small, size, padding)
    width, height = geometry.cell
    for index, label in enumerate(resized.tolist()):
        x, y = geometry.center(index)
        if label >= 0:
            assert abs(label % 18 - x) <= width / 2
            assert abs(label // 18 - y) <= height / 2
        else:
            assert not (0 <= x <= 17 and 0 <= y <= 11)


def test_a_patch_is_cut_around_its_pixel_and_stays_inside() -> None:
    picture = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8, 1).repeat(3, axis=2)
    geometry = MapGeometry((3, 4), (6, 8))
    middle = crop(picture, geometry, 5, 4)  # its cell: rows 2 and 3, columns 2 and 3
    assert middle.picture[..., 0].tolist() == [
        [9, 10, 11, 12],
        [17, 18, 19, 20],
        [25, 26, 27, 28],
        [33, 34, 35, 36],
    ]
    assert middle.center == (1.5, 1.5)
    corner = crop(picture, geometry, 11, 4)
    assert corner.picture[-1, -1, 0] == 47
    assert corner.center == (2.5, 2.5)
    assert crop(picture, geometry, 0, 99).picture.shape == (6, 6, 3)
