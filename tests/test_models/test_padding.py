"""Padding of a batch of different sizes is nobody's pixel, in either alignment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.cosine_toys import domain, loss_module
from helpers.toys import cosine_config, sample, segmentor_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_cosda.models.alignments.adversarial_loss import AdversarialLoss
from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.segmentors.domain_forward import unpadded_pixels

SMALL = (4, 6)  # of the (6, 10) of the toys; their maps are (3, 5), half of it
KEY = "backbone[-1]"


def padded(seed: int, garbage: float, grad: bool = False) -> DomainBatch:
    """Two images, of which the second is SMALL and the rest of it padding."""
    whole = domain(seed, size=2)
    height, width = SMALL
    own = torch.ones(2, 6, 10, dtype=torch.bool)
    own[1, height:], own[1, :, width:] = False, False
    feature, logits = whole.features[KEY].clone(), whole.logits.clone()
    outside = ~own[:, None, ::2, ::2]
    noise = garbage * torch.arange(1.0, 6.0)
    feature = torch.where(outside, noise, feature).requires_grad_(grad)
    logits = torch.where(outside, noise, logits)
    return replace(whole, features={KEY: feature}, logits=logits, pixels=own)


def alone(batch: DomainBatch, image: int) -> DomainBatch:
    """An image of a padded batch, as it is without the other one."""
    height, width = SMALL if image else (6, 10)
    at = (slice(image, image + 1), ..., slice(height // 2), slice(width // 2))
    assert batch.labels is not None
    return replace(
        batch,
        features={KEY: batch.features[KEY][at]},
        logits=batch.logits[at],
        labels=batch.labels[image : image + 1, :height, :width],
        image_size=(height, width),
        pixels=None,
    )


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(use_queue=False),
        dict(class_wise=False),
        dict(split_target=False),
        dict(top_k=2),
        dict(repulsion_weight=0.5),
    ],
    ids=str,
)
def test_a_padded_batch_has_the_cosine_loss_of_its_images(
    options: dict[str, Any], labelled: bool
) -> None:
    source, target = padded(0, 7.0), padded(1, 9.0)
    together = loss_module(**options)
    together.on_source(source)
    with_padding = target if labelled else replace(target, labels=None)
    found = together.on_target(with_padding)

    one_by_one = loss_module(**options)
    parts = []
    if options.get("use_queue", True) and options.get("class_wise", True):
        for image in range(2):
            one_by_one.on_source(alone(source, image))
    for image in range(2):
        part = alone(target, image)
        if not (options.get("use_queue", True) and options.get("class_wise", True)):
            one_by_one.on_source(alone(source, image))
        parts.append(
            one_by_one.on_target(part if labelled else replace(part, labels=None))
        )
    for key in ("loss", "loss_repulsion"):
        if key in found:
            mean = torch.stack([part[key] for part in parts]).mean()
            torch.testing.assert_close(found[key], mean)
    assert found["loss"] > 0


def test_padding_has_no_gradient_and_no_part_in_the_mean() -> None:
    module = loss_module(centering=True)
    source, target = padded(0, 7.0), padded(1, 9.0, grad=True)
    module.on_source(source)
    means = [alone(source, i).features[KEY].mean((0, 2, 3)) for i in range(2)]
    expected = torch.stack(means).mean(0)
    torch.testing.assert_close(module.means["last"].mean, expected)
    module.on_target(target)["loss"].backward()
    gradient = target.features[KEY].grad
    assert gradient is not None
    assert gradient[1, :, 2:].abs().sum() == gradient[1, :, :, 3:].abs().sum() == 0
    assert gradient[1, :, :2, :3].abs().sum() > 0


def judged(garbage: float, kind: Any) -> tuple[Any, DomainBatch, torch.Tensor]:
    torch.manual_seed(0)
    critic = dict(type="FCDiscriminator", num_classes=3, base_channels=4)
    loss = AdversarialLoss(critic, loss_weight=1.0, input=kind)
    own = torch.ones(2, 64, 96, dtype=torch.bool)
    own[1, :, 64:] = False  # two of the three columns of regions are its own
    logits = torch.randn(2, 3, 64, 96)
    logits[1, 0, :, 64:] = garbage
    logits.requires_grad_()
    batch = DomainBatch({}, logits, None, (64, 96), True, 255, pixels=own)
    return loss, batch, logits


@pytest.mark.parametrize("kind", ["probability", "entropy"])
def test_padding_is_nobodys_pixel_for_the_discriminator(kind: str) -> None:
    results = []
    for garbage in (0.0, 50.0):
        loss, batch, logits = judged(garbage, kind)
        values = {**loss.on_source(batch), **loss.on_target(batch)}
        sum(v for k, v in values.items() if "loss" in k).backward()  # type: ignore[union-attr]
        assert logits.grad is not None
        assert logits.grad[1, :, :, 64:].abs().sum() == 0
        assert logits.grad[1, :, :, :64].abs().sum() > 0
        results.append({k: v.item() for k, v in values.items()})
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    # By hand: the mean over images of the mean over their own regions.
    judgement = torch.sigmoid(loss.discriminator(loss._judged(batch)))[:, 0]
    assert judgement.shape == (2, 2, 3)
    cost = -torch.log(1 - judgement)
    expected = (cost[0].mean() + cost[1, :, :2].mean()) / 2
    assert results[1]["loss_adversarial"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_segmentor_says_which_pixels_are_padding() -> None:
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(segmentor_config(alignments=dict(cosine=cosine_config())))
    sizes = [(16, 32), (12, 20)]
    data = {
        name: dict(
            inputs=[torch.rand(3, *size) * 255 for size in sizes],
            data_samples=[
                sample(torch.zeros(size).long() if name == "source" else None)
                for size in sizes
            ],
        )
        for name in ("source", "target")
    }
    seen: dict[str, DomainBatch] = {}
    cosine = model.alignments["cosine"]
    for name in ("source", "target"):
        original = getattr(cosine, f"on_{name}")
        setattr(
            cosine,
            f"on_{name}",
            lambda domain, name=name, original=original: (
                seen.update({name: domain}) or original(domain)
            ),
        )
    batch = model.data_preprocessor(data, True)
    model.loss(**batch)
    for name in ("source", "target"):
        own = seen[name].pixels
        assert own is not None
        assert own[0].all()
        assert own[1].sum() == own[1, :12, :20].sum() == 12 * 20
    whole = batch["data_samples"]["target"][:1]
    assert unpadded_pixels(whole, batch["inputs"]["target"][:1]) is None
