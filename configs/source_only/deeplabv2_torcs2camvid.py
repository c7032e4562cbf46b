# Source-only on rendered streets: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid.py",
    "../_base_/schedules/adamw_poly_2000_head-4x.py",
]
custom_hooks = _base_.diagnosis_hooks
