"""DeepLabV2's classifier: parallel dilated convolutions, summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX

CROSS_ENTROPY: Mapping[str, Any] = {
    "type": "CrossEntropyLoss",
    "avg_non_ignore": True,
    "loss_weight": 1.0,
}


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Sum of parallel 3x3 convolutions with different dilations.

    p = sum over d in ``dilations`` of conv3x3(f; padding = dilation = d): logits of
    the size of f. There is no hidden layer, no dropout and no ``conv_seg``.

    Args:
        in_channels: Channels k of the feature map f, (B, k, h, w).
        num_classes: Classes C.
        dilations: One convolution each. The default sums all four branches
            (ADVENT, FDA, BDL since 2020-07); ``(6, 12)`` is what AdaptSegNet, SIM
            and the earlier BDL sum, for checkpoints trained with it. They suit
            maps of 65x129: scale them with the map.
        in_index: Which of the backbone's maps is f; the last by default.
        align_corners: How logits are upsampled, for the loss and at inference.
            True as in the public code (False costs about 1.6 mIoU on a public
            checkpoint).
        loss_decode: The host's loss config, or several. By default the
            cross-entropy over valid pixels alone (``avg_non_ignore=True``; the
            host's own default divides by all pixels).
        ignore_index: The label that no class has.
        init_cfg: The host's initialization config; by default weights from
            N(0, 0.01) and biases of 0.

    Raises:
        ValueError: If ``dilations`` is empty or holds anything but integers > 0.

    Source: Chen et al., DeepLab, 2017; sums and weights as in the public code of
    AdaptSegNet, ADVENT, BDL and FDA.

    Examples:
        >>> import torch
        >>> head = DeepLabV2Head(in_channels=8, num_classes=3, dilations=(1, 2))
        >>> tuple(head([torch.zeros(2, 8, 9, 17)]).shape)
        (2, 3, 9, 17)
        >>> sorted(name for name, _ in head.named_parameters())
        ['convs.0.bias', 'convs.0.weight', 'convs.1.bias', 'convs.1.weight']
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        in_index: int = -1,
        align_corners: bool = True,
        loss_decode: Mapping[str, Any] | Sequence[Mapping[str, Any]] = CROSS_ENTROPY,
        ignore_index: int = IGNORE_INDEX,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        check_dilations(dilations)
        super().__init__(
            in_channels=in_channels,
            channels=in_channels,
            num_classes=num_classes,
            dropout_ratio=0,
            in_index=in_index,
            loss_decode=as_loss_cfg(loss_decode),
            ignore_index=ignore_index,
            align_corners=align_corners,
            init_cfg=dict(
                init_cfg or {"type": "Normal", "std": 0.01, "layer": "Conv2d"}
            ),
        )
        # The host's classifier is not part of this network: a parameter without a
        # gradient would stop DDP and be looked for in every checkpoint.
        del self.conv_seg
        self.dilations = tuple(dilations)
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, num_classes, 3, padding=d, dilation=d)
            for d in dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify each position of the feature map.

        Args:
            inputs: The backbone's maps; the one at ``in_index`` is (B, k, h, w).

        Returns:
            Logits p, (B, C, h, w).
        """
        feature = self._transform_inputs(inputs)
        logits = self.convs[0](feature)
        for conv in self.convs[1:]:
            logits = logits + conv(feature)
        return logits


def check_dilations(dilations: Sequence[int]) -> None:
    """Refuse dilations that no 3x3 convolution can have.

    Args:
        dilations: One integer > 0 per branch.

    Raises:
        ValueError: Naming the value and the cure.
    """
    valid = all(isinstance(d, int) and d > 0 for d in dilations)
    if not dilations or not valid:
        raise ValueError(
            f"decode_head.dilations is {tuple(dilations)}: give at least one "
            "integer above 0, e.g. (6, 12, 18, 24) for DeepLabV2"
        )


def as_loss_cfg(
    loss_decode: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> dict[str, Any] | list[dict[str, Any]]:
    """Copy loss configs into the plain dicts and lists that the host builds from.

    Args:
        loss_decode: One loss config, or several.

    Returns:
        The same as one dict, or as a list of dicts.
    """
    if isinstance(loss_decode, Mapping):
        return dict(loss_decode)
    return [dict(loss) for loss in loss_decode]
