from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import nn

from mmseg_cosda.models.backbones import DeepLabResNet
from mmseg_cosda.models.decode_heads import DeepLabV2Head

BASES = Path(__file__).parents[2] / "configs" / "_base_" / "models"


def narrow(**overrides: Any) -> DeepLabResNet:
    settings: dict[str, Any] = {
        "depth": 50,
        "style": "caffe",
        "base_channels": 2,
        "stem_channels": 2,
        "strides": (1, 2, 1, 1),
        "dilations": (1, 1, 2, 4),
        "norm_cfg": {"type": "BN", "requires_grad": False},
    }
    return DeepLabResNet(**{**settings, **overrides})


@pytest.mark.parametrize(
    ("image", "map_"),
    [
        ((512, 1024), (65, 129)),
        ((720, 1280), (91, 161)),
        ((760, 1280), (96, 161)),
        ((33, 47), (5, 7)),
    ],
)
def test_map_sizes_are_those_of_the_public_network(
    image: tuple[int, int], map_: tuple[int, int]
) -> None:
    with torch.device("meta"):
        outputs = narrow()(torch.empty(1, 3, *image))
    assert outputs[-1].shape[2:] == map_


def test_a_dilated_stage_is_dilated_from_its_first_block_on() -> None:
    net = narrow()
    for layer, dilation in (("layer3", 2), ("layer4", 4)):
        convs = [block.conv2 for block in getattr(net, layer)]
        assert {conv.dilation for conv in convs} == {(dilation, dilation)}
        assert {conv.padding for conv in convs} == {(dilation, dilation)}
    # caffe style: the stride sits on the first 1x1 convolution
    assert net.layer2[0].conv1.stride == (2, 2)
    assert net.layer2[0].conv2.stride == (1, 1)
    assert all(
        module.bias is None for module in net.modules() if isinstance(module, nn.Conv2d)
    )


def test_batchnorm_has_a_frozen_affine_part_and_live_statistics() -> None:
    net = narrow()
    net.train()  # the host's returns nothing
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net(torch.randn(1, 3, 64, 64))
    assert norms
    for norm in norms:
        assert not norm.weight.requires_grad
        assert not norm.bias.requires_grad
        assert norm.running_var is not None
        assert not torch.equal(norm.running_var, torch.ones(norm.num_features))


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("COSDA_DATA", raising=False)
    return Config.fromfile(BASES / f"{name}.py").model


@pytest.mark.parametrize(
    "name",
    ["deeplabv2_r101", "deeplabv2_r50", "deeplabv2_r18"],
)
def test_base_configs_build_at_output_stride_8(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(name, monkeypatch)
    with torch.device("meta"):
        backbone = MODELS.build({**model.backbone, "init_cfg": None})
        head = MODELS.build(model.decode_head)
        maps = backbone(torch.empty(2, 3, 65, 97))
        logits = head(maps)
    assert isinstance(maps, tuple)  # so that 'backbone[-1]' is a map, not an image
    assert logits.shape == (2, 19, 9, 13)


def test_mobilenet_is_classified_at_output_stride_4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load("deeplabv2_mobilenetv2", monkeypatch)
    with torch.device("meta"):
        backbone = MODELS.build({**model.backbone, "init_cfg": None})
        neck, head = MODELS.build(model.neck), MODELS.build(model.decode_head)
        maps = backbone(torch.empty(2, 3, 240, 320))
        logits = head(neck(maps))
    assert [tuple(m.shape[2:]) for m in maps] == [(60, 80), (30, 40), *[(15, 20)] * 2]
    assert logits.shape == (2, 11, 60, 80)


def test_preprocessing_is_caffes_and_pads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cfg = load("deeplabv2_r101", monkeypatch).data_preprocessor.target
    preprocess = MODELS.build(cfg)
    bgr = torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1).expand(3, 5, 7)
    sample = pytest.importorskip("mmseg.structures").SegDataSample()
    data = {"inputs": [bgr], "data_samples": [sample]}
    out = preprocess(data, training=True)["inputs"]
    assert out.shape == (1, 3, 5, 7)
    expected = torch.tensor([10 - 104.00698793, 20 - 116.66876762, 30 - 122.67891434])
    torch.testing.assert_close(out[0, :, 0, 0], expected)


def test_every_trainable_parameter_of_the_segmentor_gets_a_gradient() -> None:
    model = EncoderDecoder(
        backbone={
            "type": "DeepLabResNet",
            "depth": 18,
            "base_channels": 4,
            "stem_channels": 4,
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
        },
        decode_head={
            "type": "DeepLabV2Head",
            "in_channels": 32,
            "num_classes": 3,
            "dilations": (1, 2),
        },
    )
    assert isinstance(model.decode_head, DeepLabV2Head)
    torch.autograd.backward(model(torch.randn(2, 3, 64, 64)).square().sum())
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert missing == []
