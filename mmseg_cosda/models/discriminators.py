"""Networks that tell the source domain from the target domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

MIN_SIDE = 32
"""Five halvings: the smallest side, in pixels, that leaves one position."""


@MODELS.register_module()
class FCDiscriminator(BaseModule):
    """The paper's D: five 4x4 convolutions with stride 2 and padding 1.

    C -> n -> 2n -> 4n -> 8n -> 1 channels, LeakyReLU 0.2 after the first four, no
    normalization and no sigmoid. Parameter names (``conv1`` ... ``conv4``,
    ``classifier``) are those of the public code.

    Args:
        num_classes: Classes C of the maps that it judges.
        base_channels: Channels n of the first convolution; 64 in the public code.
        init_cfg: The host's initialization config; None keeps PyTorch's.

    Raises:
        ValueError: If a number is not positive.

    Source: appendix C of the paper; Tsai et al., Learning to Adapt Structured
    Output Space, 2018.

    Examples:
        >>> import torch
        >>> net = FCDiscriminator(num_classes=3, base_channels=4)
        >>> tuple(net(torch.zeros(2, 3, 64, 97)).shape)
        (2, 1, 2, 3)
    """

    def __init__(
        self,
        num_classes: int,
        base_channels: int = 64,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dict(init_cfg) if init_cfg else None)
        if num_classes < 1 or base_channels < 1:
            raise ValueError(
                f"discriminator: num_classes={num_classes} and "
                f"base_channels={base_channels} have to be 1 or more"
            )
        self.num_classes = num_classes
        n = base_channels
        self.conv1 = nn.Conv2d(num_classes, n, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(n, 2 * n, 4, stride=2, padding=1)
        self.conv3 = nn.Conv2d(2 * n, 4 * n, 4, stride=2, padding=1)
        self.conv4 = nn.Conv2d(4 * n, 8 * n, 4, stride=2, padding=1)
        self.classifier = nn.Conv2d(8 * n, 1, 4, stride=2, padding=1)

    def forward(self, probabilities: Tensor) -> Tensor:
        """Judge each region of a prediction.

        Args:
            probabilities: Class probabilities or their entropy maps, (B, C, H, W).

        Returns:
            Logits, (B, 1, H // 32, W // 32); above 0 means label 1.

        Raises:
            ValueError: If C is another one or a side is below 32 pixels.
        """
        channels, *size = probabilities.shape[1:]
        if channels != self.num_classes:
            raise ValueError(
                f"the discriminator was built with num_classes={self.num_classes}, "
                f"but the segmentor predicts {channels} classes: set "
                f"discriminator.num_classes={channels}"
            )
        if min(size) < MIN_SIDE:
            raise ValueError(
                f"the discriminator halves its input five times: {tuple(size)} is "
                f"too small, each side has to be {MIN_SIDE} pixels or more"
            )
        x = probabilities
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.leaky_relu(conv(x), 0.2)
        logits: Tensor = self.classifier(x)
        return logits
