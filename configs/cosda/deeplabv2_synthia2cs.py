# Eq. 12 on SYNTHIA -> Cityscapes (Table 3).
_base_ = [
    "../_base_/models/deeplabv2_r101_cosine_synthia_16way.py",
    "../_base_/datasets/synthia2cs_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
