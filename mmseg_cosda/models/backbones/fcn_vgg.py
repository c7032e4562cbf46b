"""The VGG16 that FCN-8s stands on: padding 100, ceil pools, fc6 and fc7 as convs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

CONVS_PER_STAGE = (2, 2, 3, 3, 3)
BORDER = 100
"""Pixels of padding of conv1_1: how far the maps reach beyond the image."""

# VGG16's layers in the classification files of torchvision and the host's hub.
PUBLIC_NAMES = {
    **{
        f"features.{index}": name
        for index, name in zip(
            (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
            (
                f"conv{s}_{i + 1}"
                for s in range(1, 6)
                for i in range(CONVS_PER_STAGE[s - 1])
            ),
            strict=True,
        )
    },
    "classifier.0": "fc6",
    "classifier.3": "fc7",
}


@MODELS.register_module()
class FCNVGG(BaseModule):
    """VGG16 without BatchNorm, made convolutional for FCN-8s.

    conv1_1 pads by 100 pixels, the other 3x3 convolutions by 1; pools are 2x2/2 with
    ``ceil_mode``; fc6 is a 7x7 convolution without padding, fc7 a 1x1, each followed
    by ReLU and Dropout2d. For an image side n, pool3 has ceil((n + 198) / 8)
    positions, pool4 ceil((n + 198) / 16) and fc7 ceil((n + 198) / 32) - 6: 89x153,
    45x77 and 17x33 for 512x1024.

    Parameter names are the public ones (``conv1_1`` ... ``conv5_3``, ``fc6``,
    ``fc7``). Weights of a VGG16 classifier (``features.*``, ``classifier.*``) are
    taken too, its fully connected layers as convolutions.

    Args:
        base_channels: Channels of the first stage: 64. Narrower for tests.
        fc_channels: Channels of fc6 and fc7: 4096.
        dropout_ratio: Share of the channels that Dropout2d drops: 0.5.
        init_cfg: The host's initialization config; by default Kaiming, for
            training from scratch.

    Raises:
        ValueError: If a width is not positive or the ratio not in [0, 1).

    Source: Long et al., Fully Convolutional Networks, 2015, as in the public code
    of BDL and FDA.

    Examples:
        >>> import torch
        >>> net = FCNVGG(base_channels=2, fc_channels=4)
        >>> [tuple(map_.shape) for map_ in net(torch.zeros(1, 3, 30, 70))]
        [(1, 3, 30, 70), (1, 8, 29, 34), (1, 16, 15, 17), (1, 4, 2, 3)]
    """

    def __init__(
        self,
        base_channels: int = 64,
        fc_channels: int = 4096,
        dropout_ratio: float = 0.5,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dict(init_cfg or {"type": "Kaiming", "layer": "Conv2d"}))
        if base_channels < 1 or fc_channels < 1 or not 0 <= dropout_ratio < 1:
            raise ValueError(
                f"backbone: base_channels={base_channels} and fc_channels="
                f"{fc_channels} have to be 1 or more and dropout_ratio="
                f"{dropout_ratio} in [0, 1)"
            )
        self.stages: list[list[str]] = []
        channels = 3
        for stage, count in enumerate(CONVS_PER_STAGE, start=1):
            width = base_channels * min(2 ** (stage - 1), 8)
            names = [f"conv{stage}_{i + 1}" for i in range(count)]
            for name in names:
                padding = BORDER if name == "conv1_1" else 1
                self.add_module(name, nn.Conv2d(channels, width, 3, padding=padding))
                channels = width
            self.stages.append(names)
        self.fc6 = nn.Conv2d(channels, fc_channels, 7)
        self.fc7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.dropout = nn.Dropout2d(dropout_ratio)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Extract the three maps that FCN-8s scores.

        Args:
            image: (B, 3, H, W).

        Returns:
            The image itself, (B, 3, H, W), for its size: with the padding of 100 it
            cannot be told from the maps; then pool3 (B, 256, h3, w3),
            pool4 (B, 512, h4, w4) and fc7 (B, 4096, h7, w7).
        """
        x, pools = image, []
        for names in self.stages:
            for name in names:
                x = F.relu(self.get_submodule(name)(x), inplace=True)
            x = F.max_pool2d(x, 2, stride=2, ceil_mode=True)
            pools.append(x)
        x = self.dropout(F.relu(self.fc6(x), inplace=True))
        x = self.dropout(F.relu(self.fc7(x), inplace=True))
        return image, pools[2], pools[3], x

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        if f"{prefix}features.0.weight" in state_dict:
            self._adopt_classifier(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _adopt_classifier(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Rename a VGG16 classifier's weights in place, fully connected to conv."""
        own = dict(self.named_parameters())
        for public, name in PUBLIC_NAMES.items():
            for kind in ("weight", "bias"):
                value = state_dict.pop(f"{prefix}{public}.{kind}", None)
                if value is None:
                    continue
                shape = own[f"{name}.{kind}"].shape
                if value.numel() == shape.numel():
                    value = value.reshape(shape)
                state_dict[f"{prefix}{name}.{kind}"] = value
        for kind in ("weight", "bias"):  # the classes of ImageNet
            state_dict.pop(f"{prefix}classifier.6.{kind}", None)
