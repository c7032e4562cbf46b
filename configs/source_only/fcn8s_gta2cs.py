# Source-only on GTA5 -> Cityscapes: the target is never forwarded.
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/gta2cs.py",
    "../_base_/schedules/adam_step_120k.py",
]
