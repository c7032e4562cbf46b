"""Small networks and batches for tests."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

import mmseg_cosda  # noqa: F401  (registers what the configs name)

CLASSES = 4


@MODELS.register_module()
class ToyBackbone(BaseModule):
    """Two maps at half and quarter of the input's size."""

    def __init__(
        self,
        channels: int = 6,
        norm: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.last = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        stem = torch.tanh(self.norm(self.stem(inputs)))
        return stem, torch.tanh(self.last(stem))


@MODELS.register_module()
class ToyHead(BaseDecodeHead):
    """A 1x1 classifier."""

    def __init__(self, **options: Any) -> None:
        super().__init__(input_transform=None, **options)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.cls_seg(inputs[self.in_index])


@MODELS.register_module()
class OwnLossHead(ToyHead):
    """A head that computes its loss in its own way."""

    def loss(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        return {}


def preprocessor() -> dict[str, Any]:
    branch = dict(
        type="SegDataPreProcessor",
        mean=[127.5] * 3,
        std=[127.5] * 3,
        size_divisor=1,
        seg_pad_val=255,
    )
    return dict(type="UDADataPreprocessor", source=branch, target=dict(branch))


def segmentor_config(**options: Any) -> dict[str, Any]:
    config: dict[str, Any] = dict(
        type="UDAEncoderDecoder",
        data_preprocessor=preprocessor(),
        backbone=dict(type="ToyBackbone"),
        decode_head=head_config(),
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
    )
    config.update(options)
    return config


def head_config(**options: Any) -> dict[str, Any]:
    config: dict[str, Any] = dict(
        type="ToyHead",
        in_channels=6,
        channels=6,
        num_classes=CLASSES,
        in_index=-1,
        dropout_ratio=0,
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    )
    config.update(options)
    return config


def cosine_config(**options: Any) -> dict[str, Any]:
    config: dict[str, Any] = dict(
        type="ClassWiseCosineLoss",
        num_classes=CLASSES,
        taps=dict(last=dict(feature="backbone[-1]", channels=6, threshold=-0.5)),
        queue_size=20,
        loss_weight=0.5,
    )
    config.update(options)
    return config


def sample(label: Tensor | None) -> SegDataSample:
    data = SegDataSample()
    data.set_metainfo(
        dict(img_shape=(16, 32), ori_shape=(16, 32), pad_shape=(16, 32), flip=False)
    )
    if label is not None:
        data.gt_sem_seg = PixelData(data=label[None])
    return data


def batch(
    seed: int = 0, size: int = 1, target_labels: bool = False
) -> dict[str, dict[str, list[Any]]]:
    """A collated batch of both domains, images 16x32."""
    generator = torch.Generator().manual_seed(seed)

    def branch(labelled: bool) -> dict[str, list[Any]]:
        images = [
            torch.randint(256, (3, 16, 32), generator=generator).byte()
            for _ in range(size)
        ]
        labels = [
            torch.randint(CLASSES, (16, 32), generator=generator) for _ in range(size)
        ]
        for label in labels:
            label[:2] = 255
        return dict(
            inputs=images,
            data_samples=[sample(label if labelled else None) for label in labels],
        )

    return dict(source=branch(True), target=branch(target_labels))


def build(seed: int = 0, **options: Any) -> Any:
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    return MODELS.build(ConfigDict(segmentor_config(**options)))
