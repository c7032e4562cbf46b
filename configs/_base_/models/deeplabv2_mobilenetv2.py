# Of torcs2camvid: DeepLabV2's head on the finest map of a feature pyramid over
# MobileNetV2, with the ImageNet weights of the data folder. Their BN is an identity
# plus bias (folded): frozen, and its statistics are not updated. Their activations are
# large: the pyramid's GroupNorm takes them to the head's scale.
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
# sqrt(median frequency / frequency) of each class among the rendered labels, times what
# makes it 1 in the mean over their pixels: sky, building, pole, road, pavement, tree,
# sign symbol, fence, car, pedestrian, bicyclist.
class_weight = [0.85, 0.93, 3.81, 0.63, 1.65, 1.05, 7.19, 4.4, 1.32, 4.28, 7.47]
model = dict(
    type="UDAEncoderDecoder",
    data_preprocessor=dict(
        type="UDADataPreprocessor",
        source=rgb_preprocessor,
        target=rgb_preprocessor,
    ),
    channels_last=True,  # a tenth faster on a CPU, the same but for rounding
    backbone=dict(  # maps of stride 4, 8, 16 and 16
        type="MobileNetV2",
        strides=(1, 2, 2, 2, 1, 1, 1),
        dilations=(1, 1, 1, 1, 1, 2, 2),
        out_indices=(1, 2, 4, 6),
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="{{$COSDA_DATA:data/torcs2camvid}}/weights/mobilenet_v2_imagenet.pth",
        ),
    ),
    neck=dict(
        type="FPN",
        in_channels=[24, 32, 96, 320],
        out_channels=64,
        num_outs=4,
        norm_cfg=dict(type="GN", num_groups=16, requires_grad=True),
        act_cfg=dict(type="ReLU"),
    ),
    decode_head=dict(
        type="DeepLabV2Head",
        in_channels=64,
        in_index=0,  # the map of stride 4: poles and signs are a few pixels wide
        num_classes=11,
        # Dilations of 6 to 24 suit a backbone's last map; the pyramid has seen far.
        dilations=(1, 2, 4, 8),
        align_corners=False,
        loss_decode=dict(
            type="CrossEntropyLoss",
            avg_non_ignore=True,
            class_weight=class_weight,
        ),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
