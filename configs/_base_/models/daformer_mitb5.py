# DAFormer's network: MiT-B5, ImageNet's weights, and the head that fuses its four maps.
# RGB, ImageNet's mean and deviation.
imagenet_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    size_divisor=1,
    pad_val=0,
    seg_pad_val=255,
)
mit_b5 = (
    "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/"
    "mit_b5_20220624-658746d9.pth"
)
model = dict(
    type="UDAEncoderDecoder",
    data_preprocessor=dict(
        type="UDADataPreprocessor",
        source=imagenet_preprocessor,
        target=imagenet_preprocessor,
    ),
    # Maps at 1/4, 1/8, 1/16 and 1/32 of the input's size.
    backbone=dict(
        type="MixVisionTransformer",
        embed_dims=64,
        num_layers=(3, 6, 40, 3),
        num_heads=(1, 2, 5, 8),
        patch_sizes=(7, 3, 3, 3),
        strides=(4, 2, 2, 2),
        sr_ratios=(8, 4, 2, 1),
        mlp_ratio=4,
        qkv_bias=True,
        drop_path_rate=0.1,
        norm_cfg=dict(type="LN", eps=1e-6),
        init_cfg=dict(type="Pretrained", checkpoint=mit_b5),
    ),
    decode_head=dict(
        type="DAFormerHead",
        in_channels=(64, 128, 320, 512),
        num_classes=19,
        embed_dims=256,
        channels=256,
        dilations=(1, 6, 12, 18),
        dropout_ratio=0.1,
        align_corners=False,
        # Divided by all pixels, ignored ones included, as in the public code.
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=False),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
