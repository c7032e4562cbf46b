# Pseudo-labels alone on Cityscapes -> Dark Zurich's night.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/cityscapes2darkzurich_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
