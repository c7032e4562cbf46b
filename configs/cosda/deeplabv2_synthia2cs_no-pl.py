# Eq. 11 on SYNTHIA -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_r101_cosine_synthia_16way.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
