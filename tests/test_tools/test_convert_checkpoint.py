from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.models.segmentors import EncoderDecoder
from public_networks import dilated_sum, fcn8s, resnet101
from torch import Tensor, nn

from mmseg_cosda.models.backbones import FCNVGG, DeepLabResNet
from mmseg_cosda.models.branches import count_summed_branches

TOOL = Path(__file__).parents[2] / "tools" / "convert_checkpoint.py"
State = dict[str, Tensor]


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("convert_checkpoint", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL_MODULE = load_tool()


def convert(state: object, folder: Path, *options: str) -> dict[str, Any]:
    source, out = folder / "in.pth", folder / "out" / "model.pth"
    torch.save(state, source)
    TOOL_MODULE.main([str(source), str(out), *options])
    content: dict[str, Any] = torch.load(out, weights_only=True)
    return content


def classifier(name: str, channels: int, trained: int, num_classes: int = 19) -> State:
    """Four branches, of which the first ``trained`` have left N(0, 0.01)."""
    state = {}
    for i in range(4):
        scale = 0.02 if i < trained else 0.01
        weight = torch.randn(num_classes, channels, 3, 3) * scale
        state[f"{name}.conv2d_list.{i}.weight"] = weight
        state[f"{name}.conv2d_list.{i}.bias"] = torch.randn(num_classes)
    return state


@pytest.fixture(scope="module")
def resnet_state() -> State:
    """Random weights of the public ResNet-101 that keep activations in range."""
    torch.manual_seed(0)
    net = DeepLabResNet(depth=101, style="caffe")
    state = {}
    for name, value in net.state_dict().items():
        if value.ndim == 4:
            fan_in = value[0].numel()
            state[name] = torch.randn_like(value) * (2 / fan_in) ** 0.5
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand_like(value)
        elif name.endswith(("running_mean", "bias")):
            state[name] = 0.1 * torch.randn_like(value)
        elif name.endswith("weight"):
            # the last norm of a block is small, or 33 blocks would add up
            last = 0.3 if "bn3" in name else 1.0
            state[name] = last * (0.5 + torch.rand_like(value))
    assert not any(name.endswith("num_batches_tracked") for name in state)
    return state


@pytest.fixture(scope="module")
def vgg_state() -> State:
    torch.manual_seed(1)
    state = {}
    for name, value in FCNVGG().state_dict().items():
        spread = (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1
        state[name] = torch.randn_like(value) * spread
    scores = {
        "score_fr": (4096, 0.02),
        "score_pool4": (512, 5),
        "score_pool3": (256, 500),
    }
    for name, (channels, spread) in scores.items():
        state[f"{name}.weight"] = torch.randn(19, channels, 1, 1) * spread
        state[f"{name}.bias"] = torch.randn(19)
    for name, side in (("upscore2", 4), ("upscore_pool4", 4), ("upscore8", 16)):
        # any weights: what the file holds is what must come out
        state[f"{name}.weight"] = torch.randn(19, 19, side, side) / side
    return state


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


def branches(*scales: float) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(16, 2048, 3, 3) * scale for scale in scales]


def test_branches_are_counted_by_what_training_changed() -> None:
    assert count_summed_branches(branches(0.012, 0.0095, 0.01, 0.01))[0] == 2
    assert count_summed_branches(branches(0.012, 0.0095, 0.0103, 0.0092))[0] == 4
    shifted = [w + 2e-4 for w in branches(0.01, 0.01, 0.01, 0.01)]
    assert count_summed_branches(shifted)[0] == 4
    with pytest.raises(ValueError, match="don't tell"):
        count_summed_branches(branches(0.01, 0.01, 0.01, 0.01))
    assert count_summed_branches(branches(0.01, 0.01, 0.01, 0.01), "4")[0] == 4
    assert count_summed_branches(branches(0.02, 0.02, 0.02, 0.02), "2")[0] == 2
    assert count_summed_branches(branches(0.01, 0.01))[0] == 2
    with pytest.raises(ValueError, match="the file has 2 branches"):
        count_summed_branches(branches(0.01, 0.01), "4")


def test_the_user_can_say_how_many_are_summed(
    resnet_state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = {**resnet_state, **classifier("layer5", 2048, 4)}
    found = convert(public, tmp_path, "--dilations", "2")
    assert "dilations: (6, 12) (--dilations 2)" in capsys.readouterr().out
    heads = {k for k in found["state_dict"] if k.startswith("decode_head")}
    assert heads == {
        f"decode_head.convs.{i}.{k}" for i in (0, 1) for k in ("weight", "bias")
    }
    assert found["meta"]["dilations"] == [6, 12]


def altered(state: State, drop: str = "", **extra: Tensor) -> State:
    return {k: v for k, v in {**state, **extra}.items() if k != drop}


def test_anything_else_is_refused_in_one_line(
    resnet_state: State, vgg_state: State, tmp_path: Path
) -> None:
    main = classifier("layer5", 2048, 4)
    full = {**resnet_state, **main}
    narrow = {
        f"layer5.conv2d_list.{i}.weight": torch.zeros(19, 1024, 3, 3) for i in range(4)
    }
    wrong = {"layer3.5.conv1.weight": torch.zeros(256, 512, 1, 1)}
    cases: list[tuple[object, str]] = [
        ({"encoder.weight": torch.zeros(1)}, "no public checkpoint.*encoder.weight"),
        ({"backbone.conv1.weight": torch.zeros(1)}, "already has the host's names"),
        (
            altered(full, "layer4.2.conv3.weight"),
            "lacks backbone.layer4.2.conv3.weight",
        ),
        ({**full, "fc.weight": torch.zeros(1)}, "has extra backbone.fc.weight"),
        ({**full, **wrong}, "mis-sizes backbone.layer3.5.conv1.weight"),
        ({**resnet_state, **narrow}, "auxiliary classifier alone"),
        (altered(vgg_state, "upscore8.weight"), "lacks decode_head.upscore8.weight"),
        ({**resnet_state, **classifier("layer5", 2048, 0)}, "give --dilations 2"),
        ([1, 2], "holds no state_dict but list"),
        ({"epoch": 3}, "'epoch' is no tensor"),
        (nn.Conv2d(1, 1, 1), "cannot be read as weights alone"),
    ]
    for content, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            convert(content, tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("IN=")
        assert not (tmp_path / "out").exists()


def test_a_missing_file_and_itself_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pth")
    with pytest.raises(ValueError, match="there is no such file"):
        TOOL_MODULE.main([path, str(tmp_path / "b.pth")])
    with pytest.raises(ValueError, match="is IN"):
        TOOL_MODULE.main([path, path])


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path: Path, zipped: bool) -> None:
    content = {"conv1.weight": Evil(tmp_path / "ran")}
    source = tmp_path / "in.pth"
    torch.save(content, source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="weights alone"):
        TOOL_MODULE.main([str(source), str(tmp_path / "out.pth")])
    assert [path.name for path in tmp_path.iterdir()] == ["in.pth"]


def test_the_command_itself_tells_a_mistake_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), "missing.pth", "out.pth"]
    root = str(TOOL.parents[1])
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": root}
    )
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == "error: IN=missing.pth: there is no such file"
    )
    assert "Traceback" not in done.stderr
