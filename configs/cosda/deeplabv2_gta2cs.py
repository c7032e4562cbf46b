# Eq. 12 on GTA5 -> Cityscapes (Table 2). Pseudo-labels lie in pseudo_label_dir.
_base_ = [
    "../_base_/models/deeplabv2_r101_cosine.py",
    "../_base_/datasets/gta2cs_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
