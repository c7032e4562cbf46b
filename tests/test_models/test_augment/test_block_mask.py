"""Masks of blocks, against a loop over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.augment_references import blocks_blown_up

from mmseg_cosda.models.augment import Draw, block_mask, draw_blocks, image_draws


@pytest.mark.parametrize(
    ("size", "block", "grid"),
    [
        ((96, 128), 32, (3, 4)),
        ((60, 80), 4, (15, 20)),
        ((37, 50), 8, (5, 6)),
        ((20, 100), 64, (1, 2)),  # round(20 / 64) is 0
        ((5, 7), 1, (5, 7)),
    ],
)
def test_blocks_are_a_grid_blown_up(
    size: tuple[int, int], block: int, grid: tuple[int, int]
) -> None:
    rngs = image_draws(0, Draw.MASKED_BLOCKS, 0, 2)
    kept = draw_blocks(size, block, 0.5, rngs)
    assert kept.shape == (2, *grid)
    mask = block_mask(kept, size)
    assert mask.shape == (2, 1, *size)
    for image in range(2):
        assert mask[image, 0].equal(blocks_blown_up(kept[image], *size))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7, 1.0])
def test_the_share_that_is_masked(ratio: float) -> None:
    rngs = image_draws(0, Draw.MASKED_BLOCKS, 0, 40)
    mask = block_mask(draw_blocks((512, 512), 32, ratio, rngs), (512, 512))
    deviation = np.sqrt(ratio * (1 - ratio) / (40 * 256))
    assert 1 - mask.mean().item() == pytest.approx(ratio, abs=4 * deviation + 1e-9)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}


def test_images_have_masks_of_their_own() -> None:
    kept = draw_blocks((64, 64), 8, 0.7, image_draws(3, Draw.MASKED_BLOCKS, 0, 4))
    assert len({tuple(each.flatten().tolist()) for each in kept}) == 4
    alone = draw_blocks((64, 64), 8, 0.7, image_draws(3, Draw.MASKED_BLOCKS, 2, 1))
    assert alone[0].equal(kept[2])


def test_on_a_device_no_value_is_asked_for() -> None:
    kept = torch.ones(2, 3, 4, dtype=torch.bool, device="meta")
    assert block_mask(kept, (9, 16)).shape == (2, 1, 9, 16)
