"""The feature distance against loops, the public pooling, and its edge cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import free_port, run_ranks
from helpers.ranks import feature_distance_rank
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.alignments.feature_distance_loss import (
    THINGS,
    FeatureDistanceLoss,
    dominant_classes,
)

C, IGNORE, KEY = 4, 255, "backbone[-1]"
LABEL_SIZES = [(12, 20), (13, 22), (16, 7)]
MAP = (3, 5)


def build(**options: Any) -> FeatureDistanceLoss:
    settings = dict(num_classes=C, classes=[1, 2], loss_weight=0.5, min_share=0.6)
    return FeatureDistanceLoss(**{**settings, **options})


def labels_of(size: tuple[int, int], seed: int = 0, images: int = 2) -> Tensor:
    """Blobs, so that some cells are of one class, with ignored pixels among them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(-1, C, (images, 1, 3, 4), generator=generator).double()
    blobs = F.interpolate(coarse, size, mode="nearest")[:, 0].long()
    noise = torch.rand(images, *size, generator=generator) < 0.03
    return torch.where(noise | (blobs < 0), IGNORE, blobs)


def batch(labels: Tensor, seed: int = 1, grad: bool = False) -> DomainBatch:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(labels), 3, *MAP)
    ours, theirs = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in "ab"
    )
    size = (labels.shape[-2], labels.shape[-1])
    return DomainBatch(
        {KEY: ours.requires_grad_(grad)},
        torch.zeros(len(labels), C, 2, 2),
        labels,
        size,
        False,
        IGNORE,
        reference={KEY: theirs},
    )


def class_of_cell(label: Tensor, i: int, j: int, min_share: float) -> int | None:
    """The class of cell (i, j) of one image, pixel by pixel."""
    height, width = label.shape
    found: list[int] = []
    for y in range(height):
        for x in range(width):
            if y * MAP[0] // height == i and x * MAP[1] // width == j:
                found.append(int(label[y, x]))
    most = max(set(found), key=found.count)
    return most if found.count(most) / len(found) >= min_share else None


def loop(domain: DomainBatch, classes: tuple[int, ...], min_share: float) -> Tensor:
    """The mean distance over the chosen cells, cell by cell."""
    assert domain.labels is not None
    distances = []
    for b, label in enumerate(domain.labels):
        for i in range(MAP[0]):
            for j in range(MAP[1]):
                if class_of_cell(label, i, j, min_share) in classes:
                    ours = domain.features[KEY][b, :, i, j]
                    theirs = domain.reference[KEY][b, :, i, j]
                    distances.append(((ours - theirs) ** 2).sum().sqrt())
    assert distances
    return torch.stack(distances).mean()


def test_it_is_an_alignment_that_needs_the_reference() -> None:
    loss = build()
    assert isinstance(loss, BaseAlignment)
    assert loss.feature_paths == loss.reference_paths == (KEY,)
    assert loss.on_target(batch(labels_of((12, 20)))) == {}
    assert loss.state_dict() == {}


@pytest.mark.parametrize("size", LABEL_SIZES)
@pytest.mark.parametrize("min_share", [0.51, 0.6, 0.9])
def test_values_and_gradients_are_the_loops(
    size: tuple[int, int], min_share: float
) -> None:
    domain = batch(labels_of(size), grad=True)
    found = build(min_share=min_share, classes=[0, 2, 3]).on_source(domain)
    expected = 0.5 * loop(domain, (0, 2, 3), min_share)
    assert found["loss"].dtype == torch.float64
    torch.testing.assert_close(found["loss"], expected, rtol=0, atol=1e-10)
    feature = domain.features[KEY]
    ours, theirs = (
        torch.autograd.grad(value, feature)[0] for value in (found["loss"], expected)
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("min_share", [0.26, 0.75, 1.0])
def test_cells_are_the_public_average_pooling_of_one_hot_labels(
    min_share: float,
) -> None:
    labels = labels_of((32, 48), images=3)
    size, kernel = (4, 6), 8
    known = torch.where(labels == IGNORE, C, labels)
    pooled = F.avg_pool2d(F.one_hot(known, C + 1).permute(0, 3, 1, 2).double(), kernel)
    share, winner = pooled.max(dim=1)
    clear = (pooled == share[:, None]).sum(1) == 1  # no two that fill as much
    expected = torch.where(share >= min_share, winner, C)
    found = dominant_classes(labels, size, C, min_share)
    assert torch.equal(found[clear], expected[clear])
    assert len(found[clear].unique()) > 2


def test_the_share_is_met_to_the_pixel() -> None:
    labels = torch.zeros(2, 32, 32, dtype=torch.long)
    labels[0, :8], labels[1, :8], labels[1, 8, 0] = 3, 3, 3  # 768 and 767 of 1024
    found = dominant_classes(labels, (1, 1), C, 0.75)
    assert found.flatten().tolist() == [0, C]


def test_ignored_pixels_are_a_class_of_their_own() -> None:
    labels = torch.ones(1, 4, 4, dtype=torch.long)
    labels[:, :2] = IGNORE
    # A share of the valid pixels alone would be 1.
    assert dominant_classes(labels, (1, 1), C, 0.6).item() == C
    labels[:, 2] = IGNORE
    loss = build(classes=[0, 1, 2, 3])
    assert not loss.selected(batch(labels), (1, 1)).any()


@pytest.mark.parametrize("labels", [torch.zeros(2, 12, 20), torch.full((2, 4, 5), 255)])
def test_without_a_cell_it_is_zero_with_a_graph(labels: Tensor) -> None:
    domain = batch(labels.long(), grad=True)
    found = build().on_source(domain)
    assert found["loss"].item() == found["selected"].item() == 0
    (grad,) = torch.autograd.grad(found["loss"], domain.features[KEY])
    assert torch.equal(grad, torch.zeros_like(grad))


def test_equal_features_have_no_distance_and_a_finite_gradient() -> None:
    domain = batch(torch.ones(2, 12, 20, dtype=torch.long), grad=True)
    same = domain.features[KEY].detach().clone()
    found = build().on_source(replace(domain, reference={KEY: same}))
    (grad,) = torch.autograd.grad(found["loss"], domain.features[KEY])
    assert found["loss"].item() == 0
    assert grad.isfinite().all()


def test_gradcheck_and_the_reference_takes_no_gradient() -> None:
    domain = batch(labels_of((12, 20)), grad=True)
    theirs = domain.reference[KEY].clone().requires_grad_()
    loss = build()

    def value(feature: Tensor) -> Tensor:
        seen = replace(domain, features={KEY: feature}, reference={KEY: theirs})
        return loss.on_source(seen)["loss"]

    assert torch.autograd.gradcheck(value, domain.features[KEY])
    torch.autograd.backward(value(domain.features[KEY]))
    assert theirs.grad is None


def test_padding_has_no_class() -> None:
    labels = torch.ones(1, 12, 20, dtype=torch.long)
    own = torch.ones(1, 12, 20, dtype=torch.bool)
    own[..., 8:] = False  # two of the map's five columns are the image's
    domain = batch(labels)
    found = build().on_source(replace(domain, pixels=own))
    distance = (domain.features[KEY] - domain.reference[KEY]).norm(dim=1)
    torch.testing.assert_close(found["loss"], 0.5 * distance[..., :2].mean())
    torch.testing.assert_close(found["selected"], torch.tensor(0.4))


def test_half_precision_is_measured_in_float32() -> None:
    domain = batch(labels_of((12, 20)))
    maps = {KEY: domain.features[KEY].bfloat16()}, {KEY: domain.reference[KEY].float()}
    found = build().on_source(replace(domain, features=maps[0], reference=maps[1]))
    wide = replace(domain, features={KEY: maps[0][KEY].float()}, reference=maps[1])
    assert found["loss"].dtype == torch.float32
    assert torch.equal(found["loss"], build().on_source(wide)["loss"])


def test_a_step_asks_the_device_for_nothing() -> None:
    labels = labels_of((12, 20))
    domain = batch(labels)
    on_meta = replace(
        domain,
        features={KEY: domain.features[KEY].to("meta")},
        reference={KEY: domain.reference[KEY].to("meta")},
        labels=labels.to("meta"),
        pixels=torch.ones_like(labels, dtype=torch.bool).to("meta"),
    )
    found = build().to("meta").on_source(on_meta)
    assert all(value.is_meta for value in found.values())


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    """Cells are weighed alike, although the images have other numbers of them."""
    labels = labels_of((12, 20))
    labels[0, :, 4:] = 0
    domain = batch(labels, grad=True)
    shares = build().selected(domain, MAP).sum((1, 2))
    assert 0 < shares[0] < shares[1]
    (expected,) = torch.autograd.grad(
        build().on_source(domain)["loss"], domain.features[KEY]
    )
    options = dict(num_classes=C, classes=[1, 2], loss_weight=0.5, min_share=0.6)
    parts = domain.features[KEY].detach(), domain.reference[KEY], labels
    torch.save((parts, options), tmp_path / "in.pth")
    run_ranks(feature_distance_rank, free_port(), str(tmp_path), processes=2)
    found = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    torch.testing.assert_close(torch.cat(found) / 2, expected)


def test_the_default_are_cityscapes_things() -> None:
    assert (6, 7, *range(11, 19)) == THINGS
    assert build(num_classes=19, classes=THINGS).loss_weight == 0.5
    assert FeatureDistanceLoss(num_classes=19).loss_weight == 0.005


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(classes=THINGS), r"\[6, 7, .*\] are no ids of the decode head's 4"),
        (dict(classes=[]), "names none"),
        (dict(classes=[-1]), r"\[-1\] are no ids"),
        (dict(classes=[1.0]), r"\[1.0\] are no ids"),
        (dict(min_share=0), "choose a share"),
        (dict(min_share=1.5), "min_share=1.5"),
        (dict(loss_weight=-1), "loss_weight=-1"),
        (dict(feature="backbone]"), "dotted module path"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_what_is_missing_is_named() -> None:
    domain = batch(labels_of((12, 20)))
    with pytest.raises(ValueError, match="FrozenReference"):
        build().on_source(replace(domain, reference={}))
    with pytest.raises(ValueError, match="ground truth"):
        build().on_source(replace(domain, labels=None))
    small = {KEY: domain.reference[KEY][:, :2]}
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 5\) of model\.reference"):
        build().on_source(replace(domain, reference=small))
