"""Colors, losses and alignments of the phases with the teacher's labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.strong_toys import CLASSES, IGNORE, Net, made_step, of_process, padded
from torch import Tensor

from mmseg_cosda.models.augment import (
    Draw,
    blur,
    draw_color_shift,
    image_draws,
    shift_color,
)
from mmseg_cosda.models.phases import ClassMixPhase, MaskedPhase

PLAIN: dict[str, Any] = dict(jitter_probability=0, blur_probability=0)
PHASES = [ClassMixPhase, MaskedPhase]


def made(kind: Any, **options: Any) -> Any:
    """A phase whose blocks fit the toys."""
    return kind(**options, **(dict(block=4) if kind is MaskedPhase else {}))


def strong(net: Net, seed: int, images: Tensor, **options: Any) -> Tensor:
    phase = ClassMixPhase(**options)
    step = made_step(seed=seed)
    whether, how = Draw.MIXED_WHETHER, Draw.MIXED_COLOR
    return phase.strong_colors(net, images, step, whether, how)


def test_colors_are_jittered_in_grey_values_then_blurred() -> None:
    net = Net(mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0])
    grey = 255 * torch.rand(2, 3, 64, 80)
    mean, std = (
        torch.tensor(each).view(3, 1, 1)
        for each in ([100.0, 110.0, 120.0], [50.0, 60.0, 70.0])
    )
    options = dict(jitter_probability=1, blur_probability=1, sigma=(0.5, 2.0))
    got = strong(net, 3, (grey - mean) / std, **options)
    for image, rng in enumerate(image_draws(3, Draw.MIXED_COLOR, 0, 2)):
        shift, sigma = draw_color_shift(0.2, rng), rng.uniform(0.5, 2.0)
        expected = blur(255 * shift_color(grey[image] / 255, shift), sigma)
        torch.testing.assert_close(got[image] * std + mean, expected, rtol=0, atol=1e-3)


def test_images_that_nothing_normalizes() -> None:
    grey = 255 * torch.rand(2, 3, 8, 8)
    got = strong(Net(mean=None, std=None), 0, grey, jitter_probability=1)
    assert not got.allclose(grey)
    assert got.min() >= 0
    assert 1 < got.max() <= 255


def test_whether_is_drawn_once_for_all_images() -> None:
    net, images = Net(), torch.rand(3, 3, 8, 30)
    jittered = blurred = both = 0
    steps = 600
    for seed in range(steps):
        a = strong(net, seed, images, blur_probability=0) != images
        b = strong(net, seed, images, jitter_probability=0, sigma=(1, 2)) != images
        for each in (a, b):  # all images or none
            assert len(set(each.flatten(1).any(1).tolist())) == 1
        jittered += bool(a.any())
        blurred += bool(b.any())
        both += bool(a.any() and b.any())
    # within 4 standard deviations of 0.8, 0.5 and, drawn apart, 0.4
    assert abs(jittered / steps - 0.8) < 0.066
    assert abs(blurred / steps - 0.5) < 0.082
    assert abs(both / steps - 0.4) < 0.080


def test_no_probability_leaves_images_alone() -> None:
    images = torch.rand(2, 3, 8, 8)
    for seed in range(20):
        assert strong(Net(), seed, images, **PLAIN).equal(images)


@pytest.mark.parametrize("kind", PHASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_processes_of_one_image_are_one_of_two(kind: Any, seed: int) -> None:
    together = made_step(seed=seed, images=2)
    phase = made(kind, jitter_probability=1, blur_probability=1, sigma=(1, 2))
    net = Net()
    phase.losses(net, together)
    for image in range(2):
        alone = Net()
        phase.losses(alone, of_process(together, image))
        for name in ("images", "labels", "weight"):
            of_two = net.seen[name][image]
            assert of_two.equal(alone.seen[name][0]), name
    assert not net.seen["images"][0].equal(net.seen["images"][1])


@pytest.mark.parametrize("kind", PHASES)
def test_a_step_repeats_and_the_next_differs(kind: Any) -> None:
    seen = []
    for seed in (5, 5, 6):
        net = Net()
        phase = made(kind, jitter_probability=1)
        phase.losses(net, replace(made_step(seed=7), seed=seed))
        seen.append(net.seen["images"])
    assert seen[0].equal(seen[1])
    assert not seen[0].equal(seen[2])


@pytest.mark.parametrize("kind", PHASES)
def test_the_weight_is_of_losses_alone(kind: Any) -> None:
    logs = {}
    for weight in (1.0, 0.25):
        logs[weight] = kind(loss_weight=weight).losses(Net(), made_step())
    name = "mixed" if kind is ClassMixPhase else "masked"
    assert set(logs[1.0]) == {
        f"{name}.{key}"
        for key in ("decode.loss_ce", "decode.acc_seg", "confident", "agreement")
    }
    for key, value in logs[1.0].items():
        factor = 0.25 if "loss" in key else 1
        assert logs[0.25][key] == factor * value


@pytest.mark.parametrize("kind", PHASES)
@pytest.mark.parametrize("divisor", ["all", "valid"])
def test_the_divisor_is_handed_on(kind: Any, divisor: str) -> None:
    net = Net()
    kind(divisor=divisor).losses(net, made_step())
    assert net.seen["divisor"] == divisor
    assert kind().divisor == "all"


@pytest.mark.parametrize("kind", PHASES)
def test_an_alignment_sees_the_targets_own_pixels(kind: Any) -> None:
    step = padded(made_step(images=2), "target", bottom=4, right=6)
    net = Net()
    logs = kind(**PLAIN, align=True).losses(net, step)
    (seen,) = net.aligned
    pixels = net.seen["pixels"]
    inside = torch.ones(2, 16, 32, dtype=torch.bool)
    inside[:, 12:], inside[:, :, 26:] = False, False
    if kind is ClassMixPhase:
        source, pasted = step.images["source"], net.seen["images"]
        shown = (pasted != source).any(dim=1)
        assert pixels.equal(shown & inside)
        assert 0 < pixels.float().mean() < 0.7
    teacher = step.target_labels()
    own = torch.ones_like(inside) if pixels is None else pixels
    expected = torch.where(own & teacher.confident, teacher.labels, IGNORE)
    assert seen.labels is not None
    assert seen.labels.equal(expected)
    assert IGNORE in seen.labels
    assert seen.pixels is pixels
    assert logs["cosine.loss"] == 7
    net = Net()
    assert "cosine.loss" not in kind().losses(net, step)
    assert net.aligned == []


@pytest.mark.parametrize("kind", PHASES)
def test_what_is_logged_of_the_teacher(kind: Any) -> None:
    """Counted by hand, over what of the target the student saw."""
    step = padded(made_step(images=2), "target", bottom=4, right=6)
    net = Net()
    logs = kind(**PLAIN).losses(net, step)
    inside = torch.ones(2, 16, 32, dtype=torch.bool)
    inside[:, 12:], inside[:, :, 26:] = False, False
    name = "mixed" if kind is ClassMixPhase else "masked"
    teacher = step.target_labels()
    confident = (teacher.confident & inside).sum() / inside.sum()
    torch.testing.assert_close(logs[f"{name}.confident"], confident)
    pixels = net.seen["pixels"]
    pixels = inside if pixels is None else pixels
    same = net.logits.argmax(1) == teacher.labels[:, ::4, ::4]
    there = pixels[:, ::4, ::4] if kind is ClassMixPhase else torch.ones_like(same)
    agreement = (same & there).sum() / there.sum()
    torch.testing.assert_close(logs[f"{name}.agreement"], agreement)
    assert 0 < agreement < 1


@pytest.mark.parametrize("kind", PHASES)
def test_on_a_device_no_value_is_asked_for(kind: Any) -> None:
    step = padded(made_step(images=2, device="meta"), "target", bottom=4)
    net = Net(device="meta")
    phase = kind(jitter_probability=1, blur_probability=1, align=True)
    logs = phase.losses(net, step)
    assert {value.device.type for value in logs.values()} == {"meta"}
    assert net.seen["images"].shape == (2, 3, 16, 32)


@pytest.mark.parametrize("kind", PHASES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(jitter_probability=1.5), r"jitter_probability=1.5 must be in \[0, 1\]"),
        (dict(blur_probability=-1), "blur_probability=-1 must be in"),
        (dict(jitter_strength=0.6), r"jitter_strength=0.6 must be in \[0, 0.5\]"),
        (dict(sigma=(1.0, 0.5)), r"sigma=\(1.0, 0.5\) must be two positive numbers"),
        (dict(sigma=[0, 1.0]), r"sigma=\[0, 1.0\] must be two positive"),
        (dict(sigma=1.0), "sigma=1.0 must be two positive numbers"),
        (dict(sigma=(0.1, "1")), "must be two positive numbers"),
        (dict(loss_weight=-1.0), "loss_weight=-1.0 must be finite and not negative"),
        (dict(start_iter=-1), "start_iter=-1 must be 0 or positive"),
        (dict(align=1), "align=1, choose True or False"),
        (dict(divisor="pixels"), "divisor='pixels', choose 'all' or 'valid'"),
    ],
)
def test_wrong_options_are_refused(
    kind: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: .*{message}"):
        kind(**options)


def test_another_preprocessor_is_named() -> None:
    net = Net()
    net.data_preprocessor = torch.nn.Identity()
    phase = MaskedPhase(jitter_probability=1)
    with pytest.raises(
        ValueError, match=r"is of type Identity.*use UDADataPreprocessor"
    ):
        phase.losses(net, made_step())


def test_values_of_a_step_that_is_no_training() -> None:
    step = replace(made_step(), seed=None)
    first, second = Net(), Net()
    for net in (first, second):
        MaskedPhase().losses(net, step)
    assert first.seen["images"].equal(second.seen["images"])
    assert first.seen["labels"].max() < CLASSES
