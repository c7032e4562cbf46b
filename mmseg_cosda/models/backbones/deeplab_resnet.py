"""The field's DeepLab ResNet: the host's, with a ceil-mode pool in the stem."""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class DeepLabResNet(ResNet):
    """The host's ResNet whose stem pools 3x3/2 with padding 1 and ``ceil_mode``.

    A side of n pixels becomes ceil(((n + 1) // 2 - 1) / 2) + 1 positions after the
    stem, one more than without ``ceil_mode`` where that is even: 65x129 maps for
    512x1024 images, 91x161 for 720x1280, at output stride 8. Arguments, parameter
    names and weights are those of ``mmseg.models.ResNet``.

    DeepLabV2-ResNet101 of the public code: ``depth=101, style="caffe",
    strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=False,
    norm_cfg=dict(type="BN", requires_grad=False), norm_eval=False``.

    Source: the public DeepLab initialization that AdaptSegNet, ADVENT, BDL and FDA
    start from, whose stem pool has ``ceil_mode=True``.

    Examples:
        >>> import torch
        >>> net = DeepLabResNet(
        ...     depth=18, base_channels=4, stem_channels=4,
        ...     strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
        ... )
        >>> [tuple(map_.shape) for map_ in net(torch.zeros(1, 3, 64, 128))]
        [(1, 4, 17, 33), (1, 8, 9, 17), (1, 16, 9, 17), (1, 32, 9, 17)]
    """

    def _make_stem_layer(self, in_channels: int, stem_channels: int) -> None:
        super()._make_stem_layer(in_channels, stem_channels)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True)
