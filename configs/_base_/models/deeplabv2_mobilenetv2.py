# DeepLabV2 on MobileNetV2 at output stride 8, with the ImageNet weights of the data
# folder. Their BN is an identity plus bias (folded): frozen, and its statistics are not
# updated.
# RGB, -1..1; images arrive at their exact size.
rgb_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[127.5] * 3,
    std=[127.5] * 3,
    bgr_to_rgb=True,
    size_divisor=1,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type="UDAEncoderDecoder",
    data_preprocessor=dict(
        type="UDADataPreprocessor",
        source=rgb_preprocessor,
        target=rgb_preprocessor,
    ),
    channels_last=True,  # a tenth faster on a CPU, the same but for rounding
    # Several maps, because with one alone the host returns no tuple.
    backbone=dict(
        type="MobileNetV2",
        strides=(1, 2, 2, 1, 1, 1, 1),
        dilations=(1, 1, 1, 2, 2, 4, 4),
        out_indices=(1, 2, 4, 6),
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="{{$COSDA_DATA:data/torcs2camvid}}/weights/mobilenet_v2_imagenet.pth",
        ),
    ),
    decode_head=dict(
        type="DeepLabV2Head",
        in_channels=320,
        num_classes=19,
        # Dilations of 6-24 suit maps of 65x129; these suit 24x32.
        dilations=(2, 4, 6, 8),
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
