# Eq. 11 on GTA5 -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/fcn8s_vgg16_cosine.py",
    "../_base_/datasets/gta2cs.py",
    "../_base_/schedules/adam_step_120k.py",
]
