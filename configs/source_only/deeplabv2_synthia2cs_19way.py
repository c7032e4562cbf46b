# Source-only on SYNTHIA -> Cityscapes, 19-way: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs_19way.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
