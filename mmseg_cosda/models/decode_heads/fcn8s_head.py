"""FCN-8s's classifier: three scored maps, fused by fixed bilinear upsampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.models.decode_heads.deeplabv2_head import CROSS_ENTROPY, as_loss_cfg

POOL3_SCALE, POOL4_SCALE = 1e-4, 1e-2
POOL3_OFFSET, POOL4_OFFSET, OUTPUT_OFFSET = 9, 5, 31


@MODELS.register_module()
class FCN8sHead(BaseDecodeHead):
    """Scores fc7, pool4 and pool3 and fuses them at the input size.

    With crop_o(x) the part of x from offset o on, of its partner's size::

        u = upscore2(score_fr(fc7))
        u = upscore_pool4(u + crop_5(score_pool4(0.01 * pool4)))
        p = crop_31(upscore8(u + crop_9(score_pool3(0.0001 * pool3))))

    The crops undo the padding of 100 pixels in the backbone (``FCNVGG``); p has
    exactly the input's size, so the host's resize leaves it as it is. The transposed
    convolutions (4x4/2, 4x4/2, 16x16/8, no bias) are bilinear, take no gradient and
    are never updated. Parameter names are the public ones.

    Args:
        num_classes: Classes C.
        in_channels: Channels of pool3, pool4 and fc7.
        align_corners: How p is upsampled to a larger size (evaluation at full
            resolution); True as in the public code.
        loss_decode: The host's loss config, or several. By default the
            cross-entropy over valid pixels alone (``avg_non_ignore=True``).
        ignore_index: The label that no class has.
        init_cfg: The host's initialization config; by default the scores start at
            zero, as in Long et al.

    Raises:
        ValueError: If ``in_channels`` doesn't name three maps.

    Source: Long et al., Fully Convolutional Networks, 2015, as in the public code
    of BDL and FDA; appendix D of the paper.

    Examples:
        >>> head = FCN8sHead(num_classes=3, in_channels=(2, 4, 8))
        >>> sizes = (3, 30, 70), (2, 29, 34), (4, 15, 17), (8, 2, 3)
        >>> tuple(head([torch.zeros(1, *size) for size in sizes]).shape)
        (1, 3, 30, 70)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: Sequence[int] = (256, 512, 4096),
        align_corners: bool = True,
        loss_decode: Mapping[str, Any] | Sequence[Mapping[str, Any]] = CROSS_ENTROPY,
        ignore_index: int = IGNORE_INDEX,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        if len(in_channels) != 3 or min(in_channels) < 1:
            raise ValueError(
                f"decode_head.in_channels is {tuple(in_channels)}: give the channels "
                "of pool3, pool4 and fc7, (256, 512, 4096) for VGG16"
            )
        super().__init__(
            in_channels=list(in_channels),
            channels=1,
            num_classes=num_classes,
            dropout_ratio=0,
            in_index=[-3, -2, -1],
            input_transform="multiple_select",
            loss_decode=as_loss_cfg(loss_decode),
            ignore_index=ignore_index,
            align_corners=align_corners,
            init_cfg=dict(
                init_cfg or {"type": "Constant", "val": 0, "layer": "Conv2d"}
            ),
        )
        del self.conv_seg  # the host's classifier is not part of this network
        pool3, pool4, fc7 = in_channels
        self.score_fr = nn.Conv2d(fc7, num_classes, 1)
        self.score_pool4 = nn.Conv2d(pool4, num_classes, 1)
        self.score_pool3 = nn.Conv2d(pool3, num_classes, 1)
        self.upscore2 = bilinear_upsampling(num_classes, 4, 2)
        self.upscore_pool4 = bilinear_upsampling(num_classes, 4, 2)
        self.upscore8 = bilinear_upsampling(num_classes, 16, 8)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify each pixel.

        Args:
            inputs: What ``FCNVGG`` returns: the image (B, 3, H, W), of which the
                size alone is read, pool3, pool4 and fc7.

        Returns:
            Logits p, (B, C, H, W).
        """
        pool3, pool4, fc7 = self._transform_inputs(inputs)
        x = self.upscore2(self.score_fr(fc7))
        skip = self.score_pool4(POOL4_SCALE * pool4)
        x = self.upscore_pool4(x + crop(skip, POOL4_OFFSET, x))
        skip = self.score_pool3(POOL3_SCALE * pool3)
        x = self.upscore8(x + crop(skip, POOL3_OFFSET, x))
        return crop(x, OUTPUT_OFFSET, inputs[0])


def crop(x: Tensor, offset: int, like: Tensor) -> Tensor:
    """Cut a map to another's size.

    Args:
        x: (B, C, h, w).
        offset: First row and column that stay.
        like: (B, any, H, W), the size to cut to.

    Returns:
        ``x[:, :, offset:offset + H, offset:offset + W]``.
    """
    height, width = like.shape[2:]
    return x[:, :, offset : offset + height, offset : offset + width]


def bilinear_upsampling(channels: int, kernel_size: int, stride: int) -> nn.Module:
    """Make a transposed convolution that interpolates and never learns.

    k(i, j) = (1 - |i - c| / f) (1 - |j - c| / f), f = ceil(kernel_size / 2), c the
    kernel's center, on each channel apart.

    Args:
        channels: Channels of input and output.
        kernel_size: Side of the kernel.
        stride: Upsampling factor.

    Returns:
        The layer; its weight (channels, channels, k, k) takes no gradient.

    Examples:
        >>> layer = bilinear_upsampling(1, 4, 2)
        >>> (layer.weight[0, 0, 1] * 16).tolist()
        [3.0, 9.0, 9.0, 3.0]
    """
    factor = (kernel_size + 1) // 2
    center = factor - 1 if kernel_size % 2 else factor - 0.5
    line = 1 - (torch.arange(kernel_size) - center).abs() / factor
    layer = nn.ConvTranspose2d(channels, channels, kernel_size, stride, bias=False)
    weight = torch.zeros(channels, channels, kernel_size, kernel_size)
    weight[range(channels), range(channels)] = torch.outer(line, line)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer
