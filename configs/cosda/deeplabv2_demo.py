# Eq. 12: the cosine loss with pseudo-labels.
_base_ = [
    "../_base_/models/deeplabv2_demo_cosine.py",
    "../_base_/datasets/demo_pl.py",
    "../_base_/schedules/adamw_poly_demo.py",
]
