"""What tests of several tools share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.pseudo_label_project import Project, make_project
from helpers.public_states import State

from mmseg_cosda.models.backbones import FCNVGG, DeepLabResNet


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def resnet_state() -> State:
    """Random weights of the public ResNet-101 that keep activations in range."""
    torch.manual_seed(0)
    with torch.device("meta"):  # shapes alone
        net = DeepLabResNet(depth=101, style="caffe")
    state = {}
    for name, value in net.state_dict().items():
        if value.ndim == 4:
            fan_in = value[0].numel()
            state[name] = torch.randn(value.shape) * (2 / fan_in) ** 0.5
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(value.shape)
        elif name.endswith(("running_mean", "bias")):
            state[name] = 0.1 * torch.randn(value.shape)
        elif name.endswith("weight"):
            # the last norm of a block is small, or 33 blocks would add up
            last = 0.3 if "bn3" in name else 1.0
            state[name] = last * (0.5 + torch.rand(value.shape))
    assert not any(name.endswith("num_batches_tracked") for name in state)
    return state


SCORES = {
    "score_fr": (4096, 0.02),
    "score_pool4": (512, 5),
    "score_pool3": (256, 500),
}
UPSCORES = {"upscore2": 4, "upscore_pool4": 4, "upscore8": 16}


@pytest.fixture(scope="module")
def vgg_state() -> State:
    torch.manual_seed(1)
    with torch.device("meta"):  # shapes alone
        net = FCNVGG()
    state = {}
    for name, value in net.state_dict().items():
        spread = (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1
        state[name] = torch.randn(value.shape).mul_(spread)
    for name, (channels, spread) in SCORES.items():
        state[f"{name}.weight"] = torch.randn(19, channels, 1, 1) * spread
        state[f"{name}.bias"] = torch.randn(19)
    for name, side in UPSCORES.items():
        # any weights: what the file holds is what must come out
        state[f"{name}.weight"] = torch.randn(19, 19, side, side) / side
    return state


@pytest.fixture
def hollow_vgg_state() -> State:
    """The same names and shapes, with one number behind each."""
    with torch.device("meta"):
        net = FCNVGG()
    shapes: dict[str, tuple[int, ...]] = {
        name: value.shape for name, value in net.state_dict().items()
    }
    for name, (channels, _) in SCORES.items():
        shapes |= {f"{name}.weight": (19, channels, 1, 1), f"{name}.bias": (19,)}
    for name, side in UPSCORES.items():
        shapes[f"{name}.weight"] = (19, 19, side, side)
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
