# Eq. 11 on GTA5 -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_r101_cosine.py",
    "../_base_/datasets/gta2cs.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
