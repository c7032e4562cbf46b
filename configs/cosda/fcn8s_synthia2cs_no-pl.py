# Eq. 11 on SYNTHIA -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/fcn8s_vgg16_cosine_synthia_16way.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/adam_step_120k.py",
]
