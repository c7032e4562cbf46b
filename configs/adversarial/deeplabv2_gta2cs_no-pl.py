# Adversarial, without pseudo-labels, on GTA5 -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_r101_adversarial.py",
    "../_base_/datasets/gta2cs.py",
    "../_base_/schedules/sgd_poly_120k_adversarial.py",
]
