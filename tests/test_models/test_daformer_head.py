"""DAFormer's head: the public names and arithmetic, on any maps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.daformer_network import (
    B5_WIDTHS,
    daformer_head,
    head_shapes,
    random_weights,
)
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.decode_heads import DAFormerHead

WIDTHS = (3, 5, 6, 8)


def build(**options: Any) -> Any:
    settings = dict(in_channels=WIDTHS, num_classes=4, embed_dims=8, channels=8)
    return DAFormerHead(**{**settings, **options})


def maps(widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> list[Tensor]:
    """Maps as a backbone makes them of an image whose size no stride divides."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(23, 38), (12, 19), (6, 10), (3, 5)]
    return [
        torch.randn(2, k, *size, generator=generator)
        for k, size in zip(widths, sizes, strict=False)
    ]


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        head = DAFormerHead(B5_WIDTHS, num_classes=19)
    ours = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    assert ours == dict(head_shapes(B5_WIDTHS, 256, 19))


def test_logits_are_the_public_arithmetic() -> None:
    generator = torch.Generator().manual_seed(1)
    state = random_weights(head_shapes(WIDTHS, 8, 4), generator)
    head = build().eval()
    head.load_state_dict(state)
    expected = daformer_head(state, maps())
    assert expected.std() > 0.05
    torch.testing.assert_close(head(maps()), expected, rtol=1e-4, atol=1e-5)


def test_the_maps_meet_in_the_order_of_in_index() -> None:
    """A checkpoint's weights are of this order, which no shape tells."""
    head, features = build().eval(), maps()
    whole = head(features)
    for i in range(4):
        alone = [f if j == i else torch.zeros_like(f) for j, f in enumerate(features)]
        seen: list[Tensor] = []
        handle = head.fuse_layer.register_forward_hook(
            lambda _module, inputs, _out, seen=seen: seen.append(inputs[0])
        )
        head(alone)
        head([torch.zeros_like(f) for f in features])
        handle.remove()
        moved = (seen[0] != seen[1]).flatten(2).any(-1).any(0)
        assert moved.nonzero().flatten().tolist() == list(range(8 * i, 8 * i + 8))
    chosen = build(in_channels=WIDTHS[1:3], in_index=(1, 2)).eval()
    assert chosen(features).shape[-2:] == (12, 19)
    assert whole.shape == (2, 4, 23, 38)


@pytest.mark.parametrize("align_corners", [True, False])
def test_maps_are_upsampled_as_the_logits_are(align_corners: bool) -> None:
    head, features = build(align_corners=align_corners).eval(), maps()
    up = [
        F.interpolate(f, (23, 38), mode="bilinear", align_corners=align_corners)
        for f in features
    ]
    # The embedding is linear, and the weights of the interpolation add up to 1.
    torch.testing.assert_close(head(features), head(up), rtol=1e-4, atol=1e-5)


def test_the_literal_loss_divides_by_all_pixels() -> None:
    head = build()
    logits, labels = torch.randn(1, 4, 5, 7), torch.randint(0, 4, (1, 10, 14))
    labels[:, :6] = 255
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    up = F.interpolate(logits, (10, 14), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(up, labels, ignore_index=255, reduction="sum") / 140
    torch.testing.assert_close(head.loss_by_feat(logits, [sample])["loss_ce"], expected)


def test_it_trains_and_its_classifier_starts_small() -> None:
    head = build(num_classes=300)
    head.init_weights()
    assert abs(float(head.conv_seg.weight.std()) - 0.01) < 1e-3
    assert float(head.conv_seg.bias.abs().max()) == 0
    assert head.dropout.p == 0.1
    torch.autograd.backward(head(maps()).square().mean())
    assert all(weight.grad is not None for weight in head.parameters())


def test_it_stands_in_the_registry_with_the_hosts_options() -> None:
    config = dict(type="DAFormerHead", in_channels=[3], num_classes=4, channels=8)
    head = MODELS.build(dict(**config, norm_cfg=dict(type="GN", num_groups=2)))
    assert not any("running" in name for name in head.state_dict())
    assert head(maps((3,))).shape == (2, 4, 23, 38)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(in_channels=()), "name the channels"),
        (dict(in_index=(0, 1)), r"in_index=\[0, 1\]"),
        (dict(dilations=(1, 0)), r"decode_head\.dilations"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
