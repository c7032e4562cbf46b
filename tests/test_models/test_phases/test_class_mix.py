"""The mixed phase: which pixels, labels and weights come from which domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.augment_references import pasted
from helpers.strong_toys import (
    CLASSES,
    IGNORE,
    Net,
    made_step,
    padded,
)
from torch import Tensor

from mmseg_cosda.models.augment import Draw, draw_class_keys, image_draws
from mmseg_cosda.models.phases import ClassMixPhase, Step

PLAIN: dict[str, Any] = dict(jitter_probability=0, blur_probability=0)


def truth_of(step: Step) -> Tensor:
    return torch.cat([each.gt_sem_seg.data for each in step.samples["source"]])


def mask_of(step: Step, own: Tensor | None = None, batch: bool = False) -> Tensor:
    assert step.seed is not None
    truth = truth_of(step)
    rngs = image_draws(step.seed, Draw.MIXED_CLASSES, step.first_image, len(truth))
    return pasted(truth, draw_class_keys(CLASSES, rngs), own, batch)


@pytest.mark.parametrize("classes", ["image", "batch"])
@pytest.mark.parametrize("seed", range(4))
def test_source_pixels_labels_and_weights_over_the_targets(
    seed: int, classes: str
) -> None:
    step, net = made_step(seed, images=2), Net()
    ClassMixPhase(**PLAIN, classes=classes).losses(net, step)
    mask, truth = mask_of(step, batch=classes == "batch"), truth_of(step)
    assert 0 < mask.float().mean() < 1
    for image in range(2):
        for i in range(16):
            for j in range(32):
                at = (image, i, j)
                domain = "source" if mask[at] else "target"
                pixel = net.seen["images"][image, :, i, j]
                assert pixel.equal(step.images[domain][image, :, i, j])
                label = truth[at] if mask[at] else step.target_labels().labels[at]
                weight = 1.0 if mask[at] else step.target_labels().weight[at]
                assert net.seen["labels"][at] == label
                assert net.seen["weight"][at] == weight
                assert net.seen["pixels"][at] == (not mask[at])
    assert net.seen["labels"].dtype == torch.int64
    assert net.seen["samples"] is step.samples["target"]


def test_what_is_ignored_is_pasted_too() -> None:
    step = made_step(0)
    truth = truth_of(step)
    assert IGNORE in truth
    found = set()
    for seed in range(20):
        net = Net()
        ClassMixPhase(**PLAIN).losses(net, replace(step, seed=seed))
        found.add(bool((net.seen["labels"] == IGNORE).any()))
    assert found == {True, False}


def test_labels_are_of_the_mixed_image_before_its_colors() -> None:
    step = made_step(2)
    nets = Net(), Net()
    options: dict[str, Any] = dict(
        jitter_probability=1, blur_probability=1, sigma=(1, 2)
    )
    for net, each in zip(nets, (PLAIN, options), strict=True):
        ClassMixPhase(**each).losses(net, step)
    for name in ("labels", "weight", "pixels"):
        assert nets[0].seen[name].equal(nets[1].seen[name])
    phase = ClassMixPhase(**options)
    whether, how = Draw.MIXED_WHETHER, Draw.MIXED_COLOR
    mixed = phase.strong_colors(nets[0], nets[0].seen["images"], step, whether, how)
    assert nets[1].seen["images"].equal(mixed)


def test_the_steps_own_tensors_stay() -> None:
    step = made_step(1, images=2)
    before = {name: each.clone() for name, each in step.images.items()}
    taught = [each.clone() for each in step.target_labels()]
    truth = truth_of(step).clone()
    ClassMixPhase(jitter_probability=1, align=True).losses(Net(), step)
    assert all(step.images[name].equal(each) for name, each in before.items())
    now = zip(step.target_labels(), taught, strict=True)
    assert all(each.equal(then) for each, then in now)
    assert truth_of(step).equal(truth)


def test_padding_of_the_source_is_not_pasted() -> None:
    step = padded(made_step(3), "source", right=20)
    truth = step.samples["source"][0].gt_sem_seg.data
    truth[:, :, 12:] = IGNORE
    own = torch.zeros(1, 16, 32, dtype=torch.bool)
    own[:, :, :12] = True
    seen = []
    for seed in range(12):
        net, again = Net(), replace(step, seed=seed)
        ClassMixPhase(**PLAIN).losses(net, again)
        mask = mask_of(again, own)
        assert (~net.seen["pixels"]).equal(mask)
        assert not mask[:, :, 12:].any()
        seen.append(mask.any())
    assert all(seen)


def test_padding_of_the_target_is_nobodys_unless_it_is_covered() -> None:
    step, net = padded(made_step(3), "target", right=8), Net()
    ClassMixPhase(**PLAIN).losses(net, step)
    mask = mask_of(step)
    inside = torch.zeros(1, 16, 32, dtype=torch.bool)
    inside[:, :, :24] = True
    assert net.seen["pixels"].equal(~mask & inside)
    assert mask[:, :, 24:].any()  # content of the source, which counts
    assert (net.seen["weight"][mask] == 1).all()


def test_domains_of_different_sizes_are_refused() -> None:
    step = made_step()
    images = {**step.images, "source": torch.zeros(1, 3, 20, 32)}
    message = r"source images have 20 x 32 pixels, target images 16 x 32.*same crop"
    with pytest.raises(ValueError, match=message):
        ClassMixPhase().losses(Net(), replace(step, images=images))


def test_domains_of_different_normalization_are_refused() -> None:
    net = Net(source_mean=[0.0, 0.0, 0.0])
    message = r"model.data_preprocessor normalizes.*mean': \[0.0.*mean': \[127.5"
    with pytest.raises(ValueError, match=message):
        ClassMixPhase(**PLAIN).losses(net, made_step())
    net = Net()
    net.data_preprocessor.normalizations["source"]["swapped"] = True
    with pytest.raises(ValueError, match="bgr_to_rgb"):
        ClassMixPhase(**PLAIN).losses(net, made_step())


def test_a_source_without_labels_is_refused() -> None:
    step = made_step()
    samples = {**step.samples, "source": step.samples["target"]}
    with pytest.raises(ValueError, match="a source image has no labels"):
        ClassMixPhase().losses(Net(), replace(step, samples=samples))


def test_classes_is_one_of_two_words() -> None:
    with pytest.raises(ValueError, match="classes='half', choose 'image' or 'batch'"):
        ClassMixPhase(classes="half")
