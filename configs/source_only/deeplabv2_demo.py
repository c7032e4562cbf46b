# Source-only: the target is never forwarded.
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_400.py",
]
