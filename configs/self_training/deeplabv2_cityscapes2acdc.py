# Pseudo-labels alone on Cityscapes -> ACDC's night.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/cityscapes2acdc_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
