# Pseudo-labels alone on SYNTHIA -> Cityscapes, 19-way ("only SSL", Table 4).
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs_19way_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
