"""Nets of the field at toy size, each as an ``UDAEncoderDecoder``."""

from __future__ import annotations

from typing import Any

from helpers.toys import CLASSES, preprocessor

LOSS = dict(type="CrossEntropyLoss", avg_non_ignore=True)
SYNC = dict(type="SyncBN", requires_grad=True)


def _head(kind: str, **options: Any) -> dict[str, Any]:
    return dict(type=kind, num_classes=CLASSES, loss_decode=LOSS, **options)


def _pyramid(kind: str, channels: list[int], **options: Any) -> dict[str, Any]:
    return _head(
        kind,
        in_channels=channels,
        in_index=[0, 1, 2, 3],
        channels=8,
        align_corners=False,
        norm_cfg=SYNC,
        **options,
    )


NETS: dict[str, dict[str, Any]] = {
    "segformer": dict(
        backbone=dict(
            type="MixVisionTransformer",
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 2, 2],
            mlp_ratio=2,
            init_cfg=dict(type="Pretrained", checkpoint="https://nowhere.invalid/a"),
        ),
        decode_head=_pyramid("SegformerHead", [8, 16, 16, 16]),
    ),
    "upernet": dict(
        pretrained="torchvision://resnet18",
        backbone=dict(
            type="ResNet", depth=18, base_channels=4, stem_channels=4, norm_cfg=SYNC
        ),
        decode_head=_pyramid("UPerHead", [4, 8, 16, 32], pool_scales=(1, 2, 3, 6)),
        auxiliary_head=_head("FCNHead", in_channels=16, in_index=2, channels=4),
    ),
    "swin": dict(
        backbone=dict(
            type="SwinTransformer",
            embed_dims=8,
            depths=(1, 1, 1, 1),
            num_heads=(1, 1, 1, 1),
            window_size=4,
        ),
        decode_head=_pyramid("UPerHead", [8, 16, 32, 64], pool_scales=(1, 2)),
    ),
    "deeplabv2": dict(
        backbone=dict(
            type="DeepLabResNet",
            depth=50,
            base_channels=2,
            stem_channels=2,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
        ),
        decode_head=_head("DeepLabV2Head", in_channels=64, dilations=(1, 2)),
    ),
    "fcn8s": dict(
        backbone=dict(type="FCNVGG", base_channels=2, fc_channels=8),
        decode_head=_head("FCN8sHead", in_channels=(8, 16, 8)),
    ),
}
HOST_ALONE = ("segformer", "upernet", "swin")


def small_net(name: str, **options: Any) -> dict[str, Any]:
    """The model's config."""
    domains = preprocessor()
    domains["source"] = {**domains["source"], "mean": [0.0] * 3}  # not for prediction
    common: dict[str, Any] = dict(
        type="UDAEncoderDecoder",
        data_preprocessor=domains,
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
    )
    return {**common, **NETS[name], **options}
