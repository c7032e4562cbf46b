"""A converted checkpoint gives the logits of the public networks."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.public_networks import dilated_sum, fcn8s, resnet101
from helpers.public_states import State, classifier, convert
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor


def deeplab(dilations: tuple[int, ...], num_classes: int = 19) -> EncoderDecoder:
    head = {"num_classes": num_classes, "dilations": dilations}
    return EncoderDecoder(
        backbone={
            "type": "DeepLabResNet",
            "depth": 101,
            "style": "caffe",
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
            "norm_cfg": {"type": "BN", "requires_grad": False},
        },
        decode_head={"type": "DeepLabV2Head", "in_channels": 2048, **head},
        auxiliary_head={
            "type": "DeepLabV2Head",
            "in_channels": 1024,
            "in_index": 2,
            **head,
        },
    ).eval()


def fcn() -> EncoderDecoder:
    return EncoderDecoder(
        backbone={"type": "FCNVGG"},
        decode_head={"type": "FCN8sHead", "num_classes": 19},
    ).eval()


def loaded(build: Callable[[], EncoderDecoder], found: dict[str, Any]) -> Any:
    """Return a network that holds the converted weights and no others."""
    with torch.device("meta"):
        model = build()
    model.load_state_dict(found["state_dict"], strict=True, assign=True)
    return model


@pytest.fixture(scope="module", params=[(6, 12), (6, 12, 18, 24)])
def public_deeplab(
    request: pytest.FixtureRequest,
    resnet_state: State,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[tuple[int, ...], State, Any]:
    """The dilations that were trained, the public weights, and ours."""
    torch.manual_seed(2)
    used = request.param
    public = {
        **resnet_state,
        **classifier("layer5", 1024, len(used)),
        **classifier("layer6", 2048, len(used)),
    }
    with redirect_stdout(io.StringIO()) as out:
        folder = tmp_path_factory.mktemp("deeplab")
        found = convert({f"module.{k}": v for k, v in public.items()}, folder)
    said = out.getvalue()
    assert f"dilations: {used}" in said
    assert "AdaptSegNet, SIM, ADVENT or IntraDA" in said
    assert ("--cfg-options" in said) == (len(used) == 2)
    assert found["meta"]["dataset_meta"]["classes"][0] == "road"
    return used, public, loaded(lambda: deeplab(used), found)


@pytest.fixture(scope="module")
def ours_of_fcn8s(
    vgg_state: State, tmp_path_factory: pytest.TempPathFactory
) -> EncoderDecoder:
    with redirect_stdout(io.StringIO()) as out:
        found = convert(vgg_state, tmp_path_factory.mktemp("fcn8s"))
    assert "configs/source_only/fcn8s_gta2cs.py" in out.getvalue()
    return loaded(fcn, found)


def assert_same_logits(ours: Tensor, theirs: Tensor) -> None:
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert float(theirs.std()) > 1e-2
    assert error < 1e-4, error


PAPERS = pytest.param((512, 1024), marks=pytest.mark.slow)


# At 208x224 the maps round as at 512x1024, and a dilation of 24 stays inside them.
@pytest.mark.parametrize("size", [(97, 139), (208, 224), PAPERS])
@torch.no_grad()
def test_deeplabv2_gives_the_public_logits(
    size: tuple[int, int], public_deeplab: tuple[tuple[int, ...], State, Any]
) -> None:
    used, public, model = public_deeplab
    torch.manual_seed(2)
    image = torch.randn(1, 3, *size)
    layer3, layer4 = resnet101(public, image)
    ours = model.extract_feat(image)
    main = dilated_sum(public, "layer6", layer4, used)
    auxiliary = dilated_sum(public, "layer5", layer3, used)
    assert_same_logits(model.decode_head(ours), main)
    assert_same_logits(model.auxiliary_head(ours), auxiliary)


# 134 million weights: no small net. At 32x64 all maps round as at 512x1024.
@pytest.mark.slow
@pytest.mark.parametrize("size", [(97, 139), (32, 64), (512, 1024)])
@torch.no_grad()
def test_fcn8s_gives_the_public_logits(
    size: tuple[int, int], vgg_state: State, ours_of_fcn8s: EncoderDecoder
) -> None:
    torch.manual_seed(2)
    image = torch.randn(1, 3, *size)
    assert_same_logits(ours_of_fcn8s(image), fcn8s(vgg_state, image))


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


def test_the_initialization_becomes_a_backbone(
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
