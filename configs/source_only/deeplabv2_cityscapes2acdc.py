# Source-only on Cityscapes -> ACDC's night: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/cityscapes2acdc.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
