# Adversarial, with pseudo-labels, on rendered streets -> CamVid (Table 4).
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2_torcs_adversarial.py",
    "../_base_/datasets/torcs2camvid_pl.py",
    "../_base_/schedules/adamw_poly_torcs_adversarial.py",
]
