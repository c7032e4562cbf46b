from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.public_networks import fcn8s
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_cosda.models.backbones import FCNVGG
from mmseg_cosda.models.decode_heads import FCN8sHead

BASE = Path(__file__).parents[2] / "configs" / "_base_" / "models" / "fcn8s_vgg16.py"


def narrow(num_classes: int = 3) -> EncoderDecoder:
    """FCN-8s with 2 instead of 64 channels, random scores."""
    torch.manual_seed(0)
    model = EncoderDecoder(
        backbone={"type": "FCNVGG", "base_channels": 2, "fc_channels": 6},
        decode_head={
            "type": "FCN8sHead",
            "num_classes": num_classes,
            "in_channels": (8, 16, 6),
        },
    )
    model.backbone.init_weights()
    for name, parameter in model.decode_head.named_parameters():
        if name.startswith("score"):
            # the skips are scaled down: make them matter
            factor = {"score_pool3": 1e4, "score_pool4": 1e2}.get(name[:11], 1)
            nn.init.normal_(parameter, std=factor)
    return model


def public_state(model: EncoderDecoder) -> dict[str, torch.Tensor]:
    state = model.state_dict()
    return {name.split(".", 1)[1]: value for name, value in state.items()}


@pytest.mark.parametrize(
    ("image", "sizes"),
    [
        ((512, 1024), [(89, 153), (45, 77), (17, 33)]),
        ((720, 1280), [(115, 185), (58, 93), (23, 41)]),
    ],
)
def test_map_sizes_are_those_of_the_public_network(
    image: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    model = Config.fromfile(BASE).model
    with torch.device("meta"):
        backbone = MODELS.build({**model.backbone, "init_cfg": None})
        head = MODELS.build(model.decode_head)
        maps = backbone(torch.empty(1, 3, *image))
        logits = head(maps)
    assert [tuple(map_.shape[1:]) for map_ in maps[1:]] == [
        (channels, *size)
        for channels, size in zip((256, 512, 4096), sizes, strict=True)
    ]
    assert logits.shape == (1, 19, *image)


def test_intermediate_sizes_are_those_of_the_public_network() -> None:
    seen: dict[str, tuple[int, ...]] = {}
    model = narrow().to("meta")
    for name in ("upscore2", "upscore_pool4", "upscore8"):
        layer = getattr(model.decode_head, name)
        layer.register_forward_hook(
            lambda _m, _i, out, name=name: seen.update({name: out.shape[2:]})
        )
    model(torch.empty(1, 3, 512, 1024, device="meta"))
    assert seen == {
        "upscore2": (36, 68),
        "upscore_pool4": (74, 138),
        "upscore8": (600, 1112),
    }


@pytest.mark.parametrize(
    "size", [(1, 1), (9, 31), (32, 33), (57, 90), (58, 91), (59, 122), (63, 64)]
)
def test_logits_are_the_public_networks_at_any_size(size: tuple[int, int]) -> None:
    model = narrow().eval()
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        ours, theirs = model(image), fcn8s(public_state(model), image)
    assert ours.shape == (2, 3, *size)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_docstrings_sizes_hold_for_every_side() -> None:
    with torch.device("meta"):
        backbone = FCNVGG(base_channels=1, fc_channels=1)
        for n in range(1, 70):
            _, pool3, pool4, fc7 = backbone(torch.empty(1, 3, n, 1))
            sides = [map_.shape[2] for map_ in (pool3, pool4, fc7)]
            expected = [math.ceil((n + 198) / stride) for stride in (8, 16, 32)]
            assert sides == [expected[0], expected[1], expected[2] - 6]


def test_the_hosts_resize_leaves_the_logits_as_they_are() -> None:
    model = narrow().eval()
    image = torch.randn(1, 3, 37, 50)
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 37, 50).long()))
    logits = model(image)
    loss = model.decode_head.loss_by_feat(logits, [sample])["loss_ce"]
    expected = nn.functional.cross_entropy(logits, torch.zeros(1, 37, 50).long())
    torch.testing.assert_close(loss, expected)
    metas = [{"img_shape": (37, 50)}]
    torch.testing.assert_close(model.decode_head.predict_by_feat(logits, metas), logits)


def test_upsampling_interpolates_and_is_never_updated() -> None:
    model = narrow()
    head: Any = model.decode_head
    for layer, stride in (
        (head.upscore2, 2),
        (head.upscore_pool4, 2),
        (head.upscore8, 8),
    ):
        # a plane stays a plane: interpolation is exact on linear maps
        plane = torch.arange(9.0).view(1, 1, 9, 1).expand(1, 3, 9, 9).contiguous()
        up = layer(plane)[0]
        inside = up[:, 2 * stride : -2 * stride, 2 * stride : -2 * stride]
        steps = inside.diff(dim=1)
        torch.testing.assert_close(steps, torch.full_like(steps, 1 / stride))
        assert float(inside.diff(dim=2).abs().max()) < 1e-5
        # and stays where it is
        assert torch.equal(layer.weight, layer.weight.flip(2, 3))
        # channels stay apart
        one = torch.zeros(1, 3, 5, 5)
        one[:, 1] = 1
        assert float(layer(one)[:, [0, 2]].abs().max()) == 0

    before = {k: v.clone() for k, v in model.state_dict().items() if "upscore" in k}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    torch.autograd.backward(model(torch.randn(1, 3, 20, 20)).square().mean())
    optimizer.step()
    head.init_weights()
    assert len(before) == 3
    for name, value in before.items():
        assert torch.equal(model.state_dict()[name], value), name
        assert model.get_parameter(name).grad is None


def test_every_trainable_parameter_gets_a_gradient() -> None:
    model = narrow()
    torch.autograd.backward(model(torch.randn(1, 3, 20, 20)).square().mean())
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert missing == [
        f"decode_head.{name}.weight"
        for name in ("upscore2", "upscore_pool4", "upscore8")
    ]


def test_parameter_names_are_public() -> None:
    convs = [
        f"conv{s}_{i}"
        for s, n in enumerate((2, 2, 3, 3, 3), 1)
        for i in range(1, n + 1)
    ]
    scores = ["score_fr", "score_pool3", "score_pool4"]
    biased = [*convs, "fc6", "fc7", *scores]
    expected = {f"{name}.{kind}" for name in biased for kind in ("weight", "bias")}
    expected |= {f"{name}.weight" for name in ("upscore2", "upscore8", "upscore_pool4")}
    assert set(public_state(narrow())) == expected


def test_dropout_drops_whole_channels_of_fc6_and_fc7_in_training() -> None:
    model = narrow()
    image = torch.randn(1, 3, 64, 64)
    backbone: Any = model.backbone.eval()
    assert torch.equal(backbone(image)[-1], backbone(image)[-1])
    backbone.train()
    torch.manual_seed(0)
    fc7 = torch.cat([backbone(image)[-1] for _ in range(20)])
    backbone.dropout.p = 0.0
    kept = backbone(image)[-1]
    alive = kept.flatten(2).amax(2) > 0
    dropped = (fc7.flatten(2).amax(2) == 0) & alive
    share = float(dropped.sum() / alive.expand(20, -1).sum())
    assert 0.2 < share < 0.8
    assert isinstance(backbone.dropout, nn.Dropout2d)


@pytest.mark.parametrize("whole_segmentor", [True, False])
def test_weights_of_a_vgg16_classifier_are_adopted(whole_segmentor: bool) -> None:
    model = narrow()
    backbone: Any = model.backbone
    expected = {name: torch.randn_like(p) for name, p in backbone.named_parameters()}
    convs = [name for name in expected if name.startswith("conv")]
    indices = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    prefix = "backbone." if whole_segmentor else ""
    public = {"classifier.6.weight": torch.zeros(10, 6)}
    for position, index in enumerate(indices):
        for kind in ("weight", "bias"):
            name = convs[2 * position].split(".")[0]
            public[f"features.{index}.{kind}"] = expected[f"{name}.{kind}"]
    for index, name in ((0, "fc6"), (3, "fc7")):
        public[f"classifier.{index}.weight"] = expected[f"{name}.weight"].flatten(1)
        public[f"classifier.{index}.bias"] = expected[f"{name}.bias"]
    target = model if whole_segmentor else backbone
    load_state_dict(target, {prefix + name: value for name, value in public.items()})
    for name, parameter in backbone.named_parameters():
        assert torch.equal(parameter, expected[name]), name


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decode_head\.in_channels is \(256, 512\)"):
        FCN8sHead(num_classes=3, in_channels=(256, 512))
    with pytest.raises(ValueError, match="fc_channels=0"):
        FCNVGG(fc_channels=0)
    with pytest.raises(ValueError, match="dropout_ratio=1"):
        FCNVGG(dropout_ratio=1)
