# Eq. 12 on SYNTHIA -> Cityscapes (Table 3).
_base_ = [
    "../_base_/models/fcn8s_vgg16_cosine_synthia_16way.py",
    "../_base_/datasets/synthia2cs_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
