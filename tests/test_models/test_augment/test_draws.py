"""Streams of random numbers that don't meet."""

from __future__ import annotations

from mmseg_cosda.models.augment import Draw, batch_draws, image_draws
from mmseg_cosda.randomness import derive_seed

STEP = derive_seed(0, 17)


def test_purposes_steps_and_images_have_streams_of_their_own() -> None:
    """An image's index 0 would be lost behind a batch's purpose."""
    whole = {
        batch_draws(seed, each).random()
        for seed in (STEP, STEP + 1)
        for each in Draw
        if each.name.endswith("WHETHER")
    }
    images = {
        rng.random()
        for seed in (STEP, STEP + 1)
        for each in Draw
        if not each.name.endswith("WHETHER")
        for rng in image_draws(seed, each, 0, 4)
    }
    others = {derive_seed(STEP, rank) for rank in range(8)}
    assert len(whole) == 4
    assert len(images) == 2 * 4 * 4
    assert not whole & images
    assert not others & {derive_seed(STEP, each) for each in Draw}


def test_a_step_without_a_seed_repeats() -> None:
    first, second = (batch_draws(None, Draw.MIXED_WHETHER).random() for _ in range(2))
    assert first == second == batch_draws(0, Draw.MIXED_WHETHER).random()
