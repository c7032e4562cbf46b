# Source-only on Cityscapes -> Dark Zurich's night: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/cityscapes2darkzurich.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
