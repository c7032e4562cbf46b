"""DAFormer's decoder: all maps of the backbone, fused with several contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.models.decode_heads.deeplabv2_head import as_loss_cfg, check_dilations

CROSS_ENTROPY: Mapping[str, Any] = {"type": "CrossEntropyLoss", "loss_weight": 1.0}
BATCH_NORM: Mapping[str, Any] = {"type": "BN", "requires_grad": True}


@MODELS.register_module()
class DAFormerHead(BaseDecodeHead):
    """Embeds each map, fuses them at the first one's size, and classifies.

    With up(x) the bilinear resize to the size of the first map f_1::

        e_i = up(W_i f_i + b_i)                      embed_dims channels each
        a_d = ReLU(BN(conv_d([e_1, ..., e_n])))      for each d in dilations
        p   = classify(dropout(ReLU(BN(conv3x3([a_1, a_6, a_12, a_18])))))

    where conv_1 is a 1x1 convolution and every other conv_d a depthwise 3x3 of
    dilation d and a pointwise one, each with BN and ReLU. There is no pooled branch.

    Names and shapes of the weights are those of the published checkpoints:
    ``embed_layers.{i}.proj`` (a linear layer, (E, k_i)),
    ``fuse_layer.aspp_modules.{i}.*``, ``fuse_layer.bottleneck.*`` and ``conv_seg``.
    Widths, dilations, BN, dropout and the missing pooled branch are facts of the public
    configs, and that the maps are put together from the finest to the coarsest, which
    no shape tells, is one of the public code. A published file has not been run.

    Args:
        in_channels: Channels k_i of each map, (64, 128, 320, 512) for MiT-B1 to B5.
        num_classes: Classes C.
        in_index: Which of the backbone's maps they are, the one of the largest size
            first; by default the first ones, as many as ``in_channels`` names.
        embed_dims: E, channels of each embedded map; the public 256.
        channels: Of each branch and of what is classified; the public 256.
        dilations: One branch each; the public (1, 6, 12, 18), for maps of 128x128. 1
            stands for the 1x1 convolution.
        dropout_ratio: Share of the channels that are dropped before the classifier;
            the public 0.1.
        norm_cfg: The host's config of the normalization; BN.
        align_corners: How maps and logits are upsampled; False as in the public code.
        loss_decode: The host's loss config, or several. By default the cross-entropy
            divided by ALL pixels, ignored ones included (the host's default and the
            public code's).
        ignore_index: The label that no class has.
        init_cfg: The host's initialization config; by default the classifier from
            N(0, 0.01).

    Raises:
        ValueError: If no map is named, ``in_index`` names another number of maps than
            ``in_channels``, or ``dilations`` holds anything but integers > 0.

    Source: Hoyer et al., DAFormer, 2022.

    Examples:
        >>> head = DAFormerHead((2, 4), num_classes=3, embed_dims=4, channels=8).eval()
        >>> tuple(head([torch.zeros(2, 2, 9, 17), torch.zeros(2, 4, 5, 9)]).shape)
        (2, 3, 9, 17)
        >>> sorted(name for name, _ in head.embed_layers.named_parameters())
        ['0.proj.bias', '0.proj.weight', '1.proj.bias', '1.proj.weight']
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        in_index: Sequence[int] | None = None,
        embed_dims: int = 256,
        channels: int = 256,
        dilations: Sequence[int] = (1, 6, 12, 18),
        dropout_ratio: float = 0.1,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        align_corners: bool = False,
        loss_decode: Mapping[str, Any] | Sequence[Mapping[str, Any]] = CROSS_ENTROPY,
        ignore_index: int = IGNORE_INDEX,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        check_dilations(dilations)
        widths = list(in_channels)
        places = list(range(len(widths))) if in_index is None else list(in_index)
        if not widths or len(places) != len(widths):
            raise ValueError(
                f"decode_head.in_channels={widths} and in_index={places}: name the "
                "channels and the place of each of the backbone's maps, such as "
                "(64, 128, 320, 512) and (0, 1, 2, 3) for MiT-B5"
            )
        super().__init__(
            in_channels=widths,
            channels=channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            norm_cfg=dict(norm_cfg),
            in_index=places,
            input_transform="multiple_select",
            loss_decode=as_loss_cfg(loss_decode),
            ignore_index=ignore_index,
            align_corners=align_corners,
            init_cfg=dict(
                init_cfg
                or {"type": "Normal", "std": 0.01, "override": {"name": "conv_seg"}}
            ),
        )
        self.embed_layers = nn.ModuleList(
            _Embedding(width, embed_dims) for width in widths
        )
        self.fuse_layer = _ContextFusion(
            embed_dims * len(widths), channels, dilations, norm_cfg
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify each position of the first map.

        Args:
            inputs: The backbone's maps; those at ``in_index`` are (B, k_i, h_i, w_i).

        Returns:
            Logits p, (B, C, h_1, w_1).
        """
        maps = self._transform_inputs(inputs)
        size = maps[0].shape[2:]
        embedded = [
            _resized(embed(each), size, self.align_corners)
            for embed, each in zip(self.embed_layers, maps, strict=True)
        ]
        logits: Tensor = self.cls_seg(self.fuse_layer(torch.cat(embedded, dim=1)))
        return logits


class _Embedding(nn.Module):
    """A 1x1 convolution, whose weight is a linear layer's as in published files."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, channels)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, k, h, w) to (B, E, h, w)."""
        return F.conv2d(feature, self.proj.weight[:, :, None, None], self.proj.bias)


class _ContextFusion(nn.Module):
    """Dilated branches side by side, fused by a 3x3 convolution."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        dilations: Sequence[int],
        norm_cfg: Mapping[str, Any],
    ) -> None:
        super().__init__()
        norm, relu = dict(norm_cfg), {"type": "ReLU"}
        self.aspp_modules = DepthwiseSeparableASPPModule(
            dilations=tuple(dilations),
            in_channels=in_channels,
            channels=channels,
            conv_cfg=None,
            norm_cfg=norm,
            act_cfg=relu,
        )
        self.bottleneck = ConvModule(
            len(dilations) * channels,
            channels,
            3,
            padding=1,
            norm_cfg=norm,
            act_cfg=relu,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n * E, h, w) to (B, channels, h, w)."""
        fused: Tensor = self.bottleneck(torch.cat(self.aspp_modules(x), dim=1))
        return fused


def _resized(x: Tensor, size: torch.Size, align_corners: bool) -> Tensor:
    if x.shape[2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
