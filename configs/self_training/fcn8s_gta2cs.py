# Pseudo-labels alone on GTA5 -> Cityscapes ("only SSL", Table 4).
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/gta2cs_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
