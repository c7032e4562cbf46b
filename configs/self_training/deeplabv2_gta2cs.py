# Pseudo-labels alone on GTA5 -> Cityscapes ("only SSL", Table 4).
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/gta2cs_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
