"""The masked phase: what is hidden, and what stays the teacher's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.augment_references import blocks_blown_up
from helpers.strong_toys import Net, made_step

from mmseg_cosda.models.augment import Draw, draw_blocks, image_draws
from mmseg_cosda.models.phases import ClassMixPhase, MaskedPhase


def test_blocks_of_the_normalized_image_are_zero() -> None:
    step, net = made_step(1, images=2), Net()
    MaskedPhase(block=4, ratio=0.7, color=False).losses(net, step)
    rngs = image_draws(1, Draw.MASKED_BLOCKS, 0, 2)
    kept = draw_blocks((16, 32), 4, 0.7, rngs)
    for image in range(2):
        mask = blocks_blown_up(kept[image], 16, 32)
        assert 0 < mask.mean() < 0.6
        expected = step.images["target"][image] * mask
        assert net.seen["images"][image].equal(expected)


def test_labels_and_weights_are_the_teachers_hidden_or_not() -> None:
    step, net = made_step(1, images=2), Net()
    MaskedPhase(block=4).losses(net, step)
    assert net.seen["labels"].equal(step.target_labels().labels)
    assert net.seen["weight"].equal(step.target_labels().weight)
    assert net.seen["pixels"] is None
    assert net.seen["samples"] is step.samples["target"]


def test_colors_come_before_the_mask_and_by_draws_of_their_own() -> None:
    options: dict[str, Any] = dict(
        jitter_probability=1, blur_probability=1, sigma=(1, 2)
    )
    step, net = made_step(1), Net()
    phase = MaskedPhase(block=4, ratio=0.5, **options)
    phase.losses(net, step)
    whether, how = Draw.MASKED_WHETHER, Draw.MASKED_COLOR
    colored = phase.strong_colors(net, step.images["target"], step, whether, how)
    shown = net.seen["images"] != 0
    assert net.seen["images"].equal(colored * shown)
    rngs = image_draws(1, Draw.MASKED_BLOCKS, 0, 1)
    kept = draw_blocks((16, 32), 4, 0.5, rngs)
    assert shown[0, 0].float().equal(blocks_blown_up(kept[0], 16, 32))
    mixed = ClassMixPhase(**options).strong_colors(
        net, step.images["target"], step, Draw.MIXED_WHETHER, Draw.MIXED_COLOR
    )
    assert not mixed.equal(colored)


def test_without_color_the_probabilities_say_nothing() -> None:
    step = made_step(1)
    nets = [Net(), Net()]
    for net, probability in zip(nets, (0, 1), strict=True):
        phase = MaskedPhase(
            color=False, jitter_probability=probability, blur_probability=probability
        )
        phase.losses(net, step)
    assert nets[0].seen["images"].equal(nets[1].seen["images"])


def test_the_source_is_not_asked_for() -> None:
    """Its size and normalization may be others, its labels may miss."""
    step = made_step(1)
    alone = replace(
        step,
        images={"target": step.images["target"]},
        samples={"target": step.samples["target"]},
    )
    net = Net(source_mean=[0.0] * 3)
    MaskedPhase(jitter_probability=1).losses(net, alone)
    assert net.seen["images"].shape == (1, 3, 16, 32)


def test_an_image_smaller_than_a_block_is_one_block() -> None:
    step = made_step(0)
    hidden = 0
    for seed in range(60):
        net = Net()
        MaskedPhase(block=100, color=False).losses(net, replace(step, seed=seed))
        hidden += not net.seen["images"].any()
        assert net.seen["images"].equal(step.images["target"]) or not torch.any(
            net.seen["images"]
        )
    assert 30 < hidden < 54  # 0.7 of 60 within 3.4 standard deviations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(block=0), "block=0 must be positive, an integer"),
        (dict(block=8.0), "block=8.0 must be positive, an integer"),
        (dict(ratio=1.2), r"ratio=1.2 must be in \[0, 1\]"),
        (dict(color="no"), "color='no', choose True or False"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"MaskedPhase: {message}"):
        MaskedPhase(**options)
