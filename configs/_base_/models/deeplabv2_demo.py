# A half-width ResNet-18 for the demo's small images, trained from random weights.
_base_ = ["./deeplabv2_r18.py"]
model = dict(
    backbone=dict(stem_channels=32, base_channels=32),
    decode_head=dict(in_channels=256, num_classes=10, dilations=(1, 2, 4, 8)),
)
