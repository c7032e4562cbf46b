# Pseudo-labels alone ("only SSL", Table 4).
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo_pl.py",
    "../_base_/schedules/adamw_poly_400.py",
]
