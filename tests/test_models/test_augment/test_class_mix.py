"""ClassMix's choice of classes, against sets of label values."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from helpers.augment_references import pasted
from torch import Tensor

from mmseg_cosda.models.augment import (
    Draw,
    class_mix_mask,
    draw_class_keys,
    image_draws,
)

C, IGNORE = 6, 255


def keys_of(images: int, seed: int = 0) -> Tensor:
    return draw_class_keys(C, image_draws(seed, Draw.MIXED_CLASSES, 0, images))


def label_maps(seed: int, images: int = 3) -> Tensor:
    """Maps with some of the values 0..5 and 255 each."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(images):
        values = rng.permutation([0, 1, 2, 3, 4, 5, IGNORE])[: rng.integers(1, 8)]
        maps.append(rng.choice(values, (5, 7)))
    return torch.from_numpy(np.stack(maps))


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_sets_of_values_give(seed: int, padded: bool, batch: bool) -> None:
    labels, keys = label_maps(seed), keys_of(3, seed)
    own = None
    if padded:
        own = torch.ones_like(labels, dtype=torch.bool)
        own[0, 3:], own[1, :, 4:] = False, False
        labels = labels.masked_fill(~own, IGNORE)
    got = class_mix_mask(labels, keys, own, batch)
    assert got.dtype == torch.bool
    assert got.equal(pasted(labels, keys, own, batch))


@pytest.mark.parametrize(
    ("values", "taken"),
    [([3], 1), ([0, 5], 1), ([0, 1, IGNORE], 2), ([0, 1, 2, 3, IGNORE], 3)],
)
def test_half_of_the_values_is_rounded_up(values: list[int], taken: int) -> None:
    labels = torch.tensor(values).repeat(2, 1)[None]
    for seed in range(10):
        mask = class_mix_mask(labels, keys_of(1, seed))
        assert len(labels[mask].unique()) == taken
        assert int(mask.sum()) == 2 * taken


@pytest.mark.parametrize(
    ("values", "subsets", "bound"),
    [([0, 2, 5, IGNORE], 6, 20.5), ([1, 4, IGNORE], 3, 13.8)],
)
def test_subsets_are_equally_probable(
    values: list[int], subsets: int, bound: float
) -> None:
    """Chi-square of 5 and 2 degrees of freedom, p = 0.001, over 10^4 images."""
    draws = 10_000
    labels = torch.tensor(values).expand(draws, 1, len(values))
    masks = class_mix_mask(labels, keys_of(draws)).flatten(1)
    seen = Counter(map(tuple, masks.tolist()))
    assert len(seen) == subsets
    expected = draws / subsets
    assert sum((n - expected) ** 2 / expected for n in seen.values()) < bound


def test_of_a_batch_an_image_may_get_values_that_it_does_not_hold() -> None:
    """Of 5 values 3 are taken; an image of one value holds it or not."""
    labels = torch.tensor([[0, 1, 2, 3], [IGNORE] * 4])[:, None]
    held = [
        bool(class_mix_mask(labels, keys_of(2, seed), batch=True)[1].any())
        for seed in range(400)
    ]
    assert 0.5 < np.mean(held) < 0.7  # 3/5 within 4 standard deviations
    assert class_mix_mask(labels, keys_of(2), batch=False)[1].all()


def test_padding_is_neither_a_value_nor_pasted() -> None:
    labels = torch.tensor([[[4, 4, IGNORE, IGNORE]]])
    own = torch.tensor([[[True, True, False, False]]])
    for seed in range(10):
        mask = class_mix_mask(labels, keys_of(1, seed), own)
        assert mask.tolist() == [[[True, True, False, False]]]


def test_values_that_no_class_has_are_one() -> None:
    keys = torch.tensor([[1, 2, 3, 4, 5, 6, 0]])
    labels = torch.tensor([[[0, IGNORE, -1, C]]])
    assert class_mix_mask(labels, keys).tolist() == [[[False, True, True, True]]]


def test_on_a_device_no_value_is_asked_for() -> None:
    labels, keys = label_maps(0).to("meta"), keys_of(3).to("meta")
    own = torch.ones_like(labels, dtype=torch.bool)
    assert class_mix_mask(labels, keys, own, batch=True).shape == labels.shape
