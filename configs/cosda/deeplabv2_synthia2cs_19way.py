# Eq. 12 on SYNTHIA -> Cityscapes, 19-way (Table 3).
_base_ = [
    "../_base_/models/deeplabv2_r101_cosine_synthia.py",
    "../_base_/datasets/synthia2cs_19way_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
