# A half-width ResNet-18 for the demo's small images, trained from random weights with
# one image at a time, hence GroupNorm. (With live BatchNorm nearly the whole gap of the
# demo is one of BatchNorm statistics, which no alignment of features has to repair.)
_base_ = ["./deeplabv2_r18.py"]
model = dict(
    backbone=dict(
        stem_channels=32,
        base_channels=32,
        norm_cfg=dict(_delete_=True, type="GN", num_groups=8),
    ),
    decode_head=dict(in_channels=256, num_classes=10, dilations=(1, 2, 4, 8)),
)
