from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from mmseg_cosda.models.decode_heads import DeepLabV2Head


def head(**overrides: Any) -> Any:
    settings: dict[str, Any] = {"in_channels": 8, "num_classes": 3}
    return DeepLabV2Head(**{**settings, **overrides})


@pytest.mark.parametrize("dilations", [(6, 12), (6, 12, 18, 24), (1,)])
def test_all_branches_are_summed(dilations: tuple[int, ...]) -> None:
    net = head(dilations=dilations)
    f = torch.randn(2, 8, 7, 11)
    expected = torch.zeros(2, 3, 7, 11)
    for conv, d in zip(net.convs, dilations, strict=True):
        expected += F.conv2d(f, conv.weight, conv.bias, 1, d, d)
    torch.testing.assert_close(net([torch.empty(0), f]), expected)


def test_it_has_its_branches_and_nothing_else() -> None:
    names = {name for name, _ in head(dilations=(6, 12)).named_parameters()}
    assert names == {f"convs.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    assert head().dropout is None


def test_weights_start_normal_with_std_001() -> None:
    net = head(in_channels=512)
    net.init_weights()
    weights = torch.cat([conv.weight.flatten() for conv in net.convs])
    assert abs(float(weights.std()) - 0.01) < 2e-4
    assert abs(float(weights.mean())) < 2e-4
    assert all(float(conv.bias.detach().abs().max()) == 0 for conv in net.convs)


def test_loss_is_the_mean_over_valid_pixels_of_corner_aligned_logits() -> None:
    net = head()
    logits = torch.randn(1, 3, 3, 4)
    labels = torch.randint(0, 3, (1, 9, 13))
    labels[0, :5] = 255
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    losses = net.loss_by_feat(logits, [sample])
    up = F.interpolate(logits, size=(9, 13), mode="bilinear", align_corners=True)
    expected = F.cross_entropy(up, labels, ignore_index=255)
    torch.testing.assert_close(losses["loss_ce"], expected)


def test_several_losses_can_be_configured() -> None:
    cross_entropy = {"type": "CrossEntropyLoss", "avg_non_ignore": True}
    net = head(loss_decode=[cross_entropy, {**cross_entropy, "loss_name": "loss_b"}])
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 5, 5).long()))
    losses = net.loss_by_feat(torch.randn(1, 3, 3, 3), [sample])
    torch.testing.assert_close(losses["loss_ce"], losses["loss_b"])


@pytest.mark.parametrize("dilations", [(), (0, 6), (6, -1), (1.5,)])
def test_impossible_dilations_are_refused(dilations: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"decode_head\.dilations"):
        head(dilations=dilations)
