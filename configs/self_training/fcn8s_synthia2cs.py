# Pseudo-labels alone on SYNTHIA -> Cityscapes ("only SSL", Table 4).
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
model = dict(decode_head=dict(num_classes=16))
