# Pseudo-labels alone on SYNTHIA -> Cityscapes ("only SSL", Table 4).
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(decode_head=dict(num_classes=16))
