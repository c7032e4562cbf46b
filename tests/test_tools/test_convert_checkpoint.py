"""A converted checkpoint gives the logits of the public networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.public_networks import dilated_sum, fcn8s, resnet101
from helpers.public_states import State, classifier, convert
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor


def deeplab(dilations: tuple[int, ...], num_classes: int = 19) -> EncoderDecoder:
    return EncoderDecoder(
        backbone={
            "type": "DeepLabResNet",
            "depth": 101,
            "style": "caffe",
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
            "norm_cfg": {"type": "BN", "requires_grad": False},
        },
        decode_head={
            "type": "DeepLabV2Head",
            "in_channels": 2048,
            "num_classes": num_classes,
            "dilations": dilations,
        },
        auxiliary_head={
            "type": "DeepLabV2Head",
            "in_channels": 1024,
            "num_classes": num_classes,
            "dilations": dilations,
            "in_index": 2,
        },
    ).eval()


def assert_same_logits(ours: Tensor, theirs: Tensor) -> None:
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert float(theirs.std()) > 1e-2
    assert error < 1e-4, error


SIZES = [(97, 139), pytest.param((512, 1024), marks=pytest.mark.slow)]


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_deeplabv2_gives_the_public_logits(
    size: tuple[int, int],
    resnet_state: State,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(2)
    image = torch.randn(1, 3, *size)
    layer3, layer4 = resnet101(resnet_state, image)
    ours: Any = None
    for used in ((6, 12), (6, 12, 18, 24)):
        public = {
            **resnet_state,
            **classifier("layer5", 1024, len(used)),
            **classifier("layer6", 2048, len(used)),
        }
        found = convert({f"module.{k}": v for k, v in public.items()}, tmp_path)
        said = capsys.readouterr().out
        assert f"dilations: {used}" in said
        assert "AdaptSegNet, SIM, ADVENT or IntraDA" in said
        assert ("--cfg-options" in said) == (len(used) == 2)
        model: Any = deeplab(used)
        model.load_state_dict(found["state_dict"], strict=True)
        ours = ours or model.extract_feat(image)  # once: all but the heads is shared
        main = dilated_sum(public, "layer6", layer4, used)
        auxiliary = dilated_sum(public, "layer5", layer3, used)
        assert_same_logits(model.decode_head(ours), main)
        assert_same_logits(model.auxiliary_head(ours), auxiliary)
    assert found["meta"]["dataset_meta"]["classes"][0] == "road"


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_fcn8s_gives_the_public_logits(
    size: tuple[int, int],
    vgg_state: State,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = convert(vgg_state, tmp_path)
    assert "configs/source_only/fcn8s_gta2cs.py" in capsys.readouterr().out
    model = EncoderDecoder(
        backbone={"type": "FCNVGG"},
        decode_head={"type": "FCN8sHead", "num_classes": 19},
    ).eval()
    model.load_state_dict(found["state_dict"], strict=True)
    torch.manual_seed(2)
    image = torch.randn(1, 3, *size)
    assert_same_logits(model(image), fcn8s(vgg_state, image))


def test_single_level_layer5_is_the_main_classifier(
    resnet_state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = classifier("layer5", 2048, 4, num_classes=16)
    found = convert({**resnet_state, **main}, tmp_path)
    assert "BDL or FDA" in (said := capsys.readouterr().out)
    assert "configs/source_only/deeplabv2_synthia2cs.py" in said
    state = found["state_dict"]
    assert not any(name.startswith("auxiliary") for name in state)
    for i in range(4):
        expected = main[f"layer5.conv2d_list.{i}.weight"]
        assert torch.equal(state[f"decode_head.convs.{i}.weight"], expected)
    assert len(found["meta"]["dataset_meta"]["palette"]) == 16


def test_the_initialisation_becomes_a_backbone(
    resnet_state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scale = {**resnet_state, **classifier("layer5", 2048, 4, num_classes=21)}
    found = convert({f"Scale.{k}": v for k, v in scale.items()}, tmp_path)
    assert "load_from=" in capsys.readouterr().out
    state = found["state_dict"]
    counters = {k for k in state if k.endswith("num_batches_tracked")}
    assert set(state) - counters == {f"backbone.{k}" for k in resnet_state}
    weight = resnet_state["layer4.2.conv3.weight"]
    assert torch.equal(state["backbone.layer4.2.conv3.weight"], weight)
    assert found["meta"].get("dataset_meta") is None
