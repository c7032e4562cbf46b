# Pseudo-labels alone on rendered streets -> CamVid.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid_pl.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
custom_hooks = _base_.diagnosis_hooks
