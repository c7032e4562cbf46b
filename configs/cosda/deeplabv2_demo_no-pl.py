# Eq. 11: the cosine loss without pseudo-labels. The embedded default.
_base_ = [
    "../_base_/models/deeplabv2_demo_cosine.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_demo.py",
]
