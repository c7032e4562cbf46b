"""The public networks as arithmetic on their own state_dicts, layer by layer.

Written from the description of the networks alone: torch.nn.functional on tensors
under the public names, nothing of the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]

VGG_STAGES = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3"),
    ("conv4_1", "conv4_2", "conv4_3"),
    ("conv5_1", "conv5_2", "conv5_3"),
)


def batch_norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / torch.sqrt(var + 1e-5)
    shift = state[f"{name}.bias"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def bottleneck(
    state: State, name: str, x: Tensor, stride: int, dilation: int
) -> Tensor:
    out = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride)
    out = F.relu(batch_norm(state, f"{name}.bn1", out))
    weight = state[f"{name}.conv2.weight"]
    out = F.conv2d(out, weight, padding=dilation, dilation=dilation)
    out = F.relu(batch_norm(state, f"{name}.bn2", out))
    out = F.conv2d(out, state[f"{name}.conv3.weight"])
    out = batch_norm(state, f"{name}.bn3", out)
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
        x = batch_norm(state, f"{name}.downsample.1", x)
    return F.relu(out + x)


def resnet101(state: State, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return layer3's and layer4's maps."""
    x = F.conv2d(image, state["conv1.weight"], stride=2, padding=3)
    x = F.relu(batch_norm(state, "bn1", x))
    x = F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
    maps = []
    plan = ((1, 3, 1, 1), (2, 4, 2, 1), (3, 23, 1, 2), (4, 3, 1, 4))
    for layer, blocks, stride, dilation in plan:
        for block in range(blocks):
            first = stride if block == 0 else 1
            x = bottleneck(state, f"layer{layer}.{block}", x, first, dilation)
        maps.append(x)
    return maps[2], maps[3]


def dilated_sum(state: State, name: str, x: Tensor, dilations: Sequence[int]) -> Tensor:
    """Sum the first len(dilations) branches of conv2d_list."""
    branches = []
    for i, d in enumerate(dilations):
        weight = state[f"{name}.conv2d_list.{i}.weight"]
        bias = state[f"{name}.conv2d_list.{i}.bias"]
        branches.append(F.conv2d(x, weight, bias, padding=d, dilation=d))
    return torch.stack(branches).sum(0)


def upsample(state: State, name: str, x: Tensor, stride: int) -> Tensor:
    return F.conv_transpose2d(x, state[f"{name}.weight"], stride=stride)


def fcn8s(state: State, image: Tensor) -> Tensor:
    """Return the logits at the image's size."""

    def conv(name: str, x: Tensor, padding: int = 0) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=padding)

    x, pools = image, []
    for stage in VGG_STAGES:
        for name in stage:
            x = F.relu(conv(name, x, padding=100 if name == "conv1_1" else 1))
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        pools.append(x)
    x = F.relu(conv("fc7", F.relu(conv("fc6", x))))
    x = upsample(state, "upscore2", conv("score_fr", x), 2)
    h, w = x.shape[2:]
    x = x + conv("score_pool4", pools[3] * 0.01)[:, :, 5 : 5 + h, 5 : 5 + w]
    x = upsample(state, "upscore_pool4", x, 2)
    h, w = x.shape[2:]
    x = x + conv("score_pool3", pools[2] * 0.0001)[:, :, 9 : 9 + h, 9 : 9 + w]
    x = upsample(state, "upscore8", x, 8)
    h, w = image.shape[2:]
    return x[:, :, 31 : 31 + h, 31 : 31 + w]
