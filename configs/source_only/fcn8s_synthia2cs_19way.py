# Source-only on SYNTHIA -> Cityscapes, 19-way: the target is never forwarded.
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs_19way.py",
    "../_base_/schedules/adam_step_120k.py",
]
