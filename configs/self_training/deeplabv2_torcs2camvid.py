# Pseudo-labels alone on rendered streets -> CamVid.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2_torcs.py",
    "../_base_/datasets/torcs2camvid_pl.py",
    "../_base_/schedules/adamw_poly_torcs.py",
]
