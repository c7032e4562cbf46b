from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.toys import CLASSES, head_config, sample
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch.nn import functional as F

from benchmarks.speed.live_memory import LiveMemory
from mmseg_cosda.models.segmentors.class_weights import has_class_weights
from mmseg_cosda.models.segmentors.head_losses import image_losses, is_plain

CE: dict[str, Any] = dict(type="CrossEntropyLoss", avg_non_ignore=True)


def build(**options: Any) -> Any:
    init_default_scope("mmseg")
    return MODELS.build(head_config(**options))


def inputs(size: tuple[int, int], ignored: int = 5) -> tuple[torch.Tensor, Any]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, CLASSES, *size, generator=generator, requires_grad=True)
    label = torch.randint(CLASSES, (16, 32), generator=generator)
    label[:ignored] = 255
    return logits, sample(label)


@pytest.mark.parametrize("size", [(16, 32), (5, 9)])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("ignored", [0, 5, 16])
def test_values_and_gradients_are_the_hosts(
    size: tuple[int, int], align_corners: bool, ignored: int
) -> None:
    losses = [
        dict(CE, loss_weight=0.4),
        dict(CE),
        dict(CE, loss_name="loss_b"),
    ]
    head = build(loss_decode=losses, align_corners=align_corners)
    assert is_plain(head)
    results = []
    for run in (
        lambda logits, sample: image_losses(head, logits, sample.gt_sem_seg.data),
        lambda logits, sample: head.loss_by_feat(logits, [sample]),
    ):
        logits, data = inputs(size, ignored)
        got = run(logits, data)
        (got["loss_ce"] + 2 * got["loss_b"]).backward()
        results.append((got, logits.grad))
    (ours, our_grad), (theirs, their_grad) = results
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(our_grad, their_grad, rtol=1e-6, atol=1e-9)
    assert ours["loss_ce"] > 0.5 or ignored == 16


@pytest.mark.parametrize("avg_non_ignore", [True, False])
@pytest.mark.parametrize("ignored", [0, 5, 16])
def test_weighted_classes_give_torchs_weighted_mean(
    avg_non_ignore: bool, ignored: int
) -> None:
    weight = [1.0, 0.5, 5.0, 2.0]
    loss = dict(CE, class_weight=weight, avg_non_ignore=avg_non_ignore, loss_weight=0.4)
    head = build(loss_decode=[loss, dict(CE, loss_name="loss_b")], align_corners=True)
    logits, data = inputs((5, 9), ignored)
    got = image_losses(head, logits, data.gt_sem_seg.data)
    label = data.gt_sem_seg.data
    up = F.interpolate(logits, label.shape[1:], mode="bilinear", align_corners=True)
    weighted = F.cross_entropy(up, label, torch.tensor(weight), ignore_index=255)
    plain = F.cross_entropy(up, label, ignore_index=255)
    if ignored == 16:  # nothing is left: torch's mean is NaN, ours has no gradient
        assert weighted.isnan()
        assert got["loss_ce"] == 0
        return
    torch.testing.assert_close(got["loss_ce"], 0.4 * weighted)
    torch.testing.assert_close(got["loss_b"], plain)
    assert not torch.isclose(weighted, plain)
    ours = torch.autograd.grad(got["loss_ce"], logits, retain_graph=True)
    theirs = torch.autograd.grad(0.4 * weighted, logits)
    torch.testing.assert_close(ours, theirs)


def test_a_weight_per_class_is_asked_for() -> None:
    head = build(loss_decode=dict(CE, class_weight=[1.0, 2.0]))
    logits, data = inputs((5, 9))
    with pytest.raises(ValueError, match=r"class_weight=\[1.0, 2.0\].*4 classes"):
        image_losses(head, logits, data.gt_sem_seg.data)


def test_no_pixel_is_counted_on_the_host() -> None:
    head = build(loss_decode=CE)
    with LiveMemory() as ours:
        logits, data = inputs((5, 9))
        image_losses(head, logits, data.gt_sem_seg.data)
    with LiveMemory() as theirs:
        logits, data = inputs((5, 9))
        head.loss_by_feat(logits, [data])
    assert ours.syncs == 0 < theirs.syncs


@pytest.mark.parametrize(
    "options",
    [
        dict(loss_decode=dict(CE, use_sigmoid=True)),
        dict(loss_decode=[CE, dict(type="DiceLoss", ignore_index=255)]),
        dict(loss_decode=CE, sampler=dict(type="OHEMPixelSampler", thresh=0.7)),
    ],
)
def test_other_losses_are_the_hosts_own(options: dict[str, Any]) -> None:
    head = build(**options)
    assert not is_plain(head)
    logits, data = inputs((5, 9))
    ours = image_losses(head, logits, data.gt_sem_seg.data)
    theirs = head.loss_by_feat(logits, [data])
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("avg_non_ignore", [True, False])
@pytest.mark.parametrize("ignored", [0, 5])
def test_class_weights_that_the_host_fails_on_are_refused(
    avg_non_ignore: bool, ignored: int
) -> None:
    loss = dict(CE, class_weight=[1.0, 0.5, 5.0, 2.0], avg_non_ignore=avg_non_ignore)
    head = build(loss_decode=[loss, dict(type="DiceLoss", ignore_index=255)])
    logits, data = inputs((5, 9), ignored)
    try:
        expected = head.loss_by_feat(logits, [data])
    except IndexError:
        with pytest.raises(ValueError, match=r"mmseg [\d.]+ fails on class_weight"):
            image_losses(head, logits, data.gt_sem_seg.data)
    else:
        assert image_losses(head, logits, data.gt_sem_seg.data) == expected


@pytest.mark.parametrize("divisor", ["all", "valid", None])
@pytest.mark.parametrize("avg_non_ignore", [True, False])
def test_weighted_pixels_against_a_loop(
    divisor: str | None, avg_non_ignore: bool
) -> None:
    head = build(loss_decode=dict(CE, avg_non_ignore=avg_non_ignore, loss_weight=0.5))
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, CLASSES, 6, 7, generator=generator, dtype=torch.float64)
    label = torch.randint(CLASSES, (1, 6, 7), generator=generator)
    label[:, :2] = 255
    weight = torch.rand(1, 6, 7, generator=generator, dtype=torch.float64)
    total, valid = 0.0, 0
    for y in range(6):
        for x in range(7):
            c = int(label[0, y, x])
            if c == 255:
                continue
            log_softmax = logits[0, :, y, x].log_softmax(0)
            total -= float(weight[0, y, x] * log_softmax[c])
            valid += 1
    by_valid = divisor == "valid" or (divisor is None and avg_non_ignore)
    expected = 0.5 * total / (valid if by_valid else 42)
    got = image_losses(head, logits, label, weight, divisor)["loss_ce"]
    assert abs(float(got) - expected) < (1e-6 if by_valid else 1e-10)  # the host's eps


@pytest.mark.parametrize("divisor", [None, "valid", "all"])
def test_class_weights_count_for_ground_truth_alone(divisor: str | None) -> None:
    weights = [0.5, 2.0, 4.0, 1.0, 3.0][:CLASSES]
    head = build(loss_decode=dict(CE, avg_non_ignore=True, class_weight=weights))
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, CLASSES, 6, 7, generator=generator, dtype=torch.float64)
    label = torch.randint(CLASSES, (1, 6, 7), generator=generator)
    label[:, :2] = 255
    truth = torch.rand(1, 6, 7, generator=generator) < 0.5
    total = weighed = 0.0
    for y in range(6):
        for x in range(7):
            c = int(label[0, y, x])
            if c == 255:
                continue
            w = weights[c] if truth[0, y, x] else 1.0
            total -= w * float(logits[0, :, y, x].log_softmax(0)[c])
            weighed += w
    expected = total / (42 if divisor == "all" else weighed)
    got = image_losses(head, logits, label, None, divisor, truth)["loss_ce"]
    assert float(got) == pytest.approx(expected, abs=1e-6)

    none = torch.zeros(1, 1, 1, dtype=torch.bool)
    plain = build(loss_decode=dict(CE, avg_non_ignore=True))
    torch.testing.assert_close(
        image_losses(head, logits, label, None, divisor, none)["loss_ce"],
        image_losses(plain, logits, label, None, divisor)["loss_ce"],
    )
    assert has_class_weights(head)
    assert not has_class_weights(plain)


def test_a_mean_over_all_pixels_is_the_hosts() -> None:
    head = build(loss_decode=dict(CE, avg_non_ignore=False), align_corners=True)
    assert is_plain(head)
    logits, data = inputs((5, 9))
    got = image_losses(head, logits, data.gt_sem_seg.data)
    expected = head.loss_by_feat(logits, [data])
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value)


def test_a_head_of_other_losses_takes_no_weights() -> None:
    head = build(loss_decode=[CE, dict(type="DiceLoss", ignore_index=255)])
    logits, data = inputs((5, 9))
    label = data.gt_sem_seg.data
    with pytest.raises(ValueError, match="takes no pixel weights, which this"):
        image_losses(head, logits, label, torch.ones_like(label).float())
    with pytest.raises(ValueError, match=r"guessed.*target\.class_weight=True"):
        image_losses(head, logits, label, truth=torch.ones_like(label).bool())
