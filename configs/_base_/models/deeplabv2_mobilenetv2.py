# MobileNetV2 at output stride 8 with the ImageNet weights of the data folder. Their
# BN is an identity plus bias (folded): frozen, and its statistics are not updated.
_base_ = ["./deeplabv2_r101.py"]
rgb_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True)
model = dict(
    data_preprocessor=dict(source=rgb_preprocessor, target=rgb_preprocessor),
    channels_last=True,  # a tenth faster on a CPU, the same but for rounding
    # Several maps, because with one alone the host returns no tuple.
    backbone=dict(
        _delete_=True,
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
    # Dilations of 6-24 suit maps of 65x129; these suit 24x32.
    decode_head=dict(in_channels=320, dilations=(2, 4, 6, 8)),
)
