# Adversarial, without pseudo-labels, on rendered streets -> CamVid (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2_torcs_adversarial.py",
    "../_base_/datasets/torcs2camvid.py",
    "../_base_/schedules/adamw_poly_torcs_adversarial.py",
]
