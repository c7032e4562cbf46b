# Source-only on GTA5: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/gta2cs.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
