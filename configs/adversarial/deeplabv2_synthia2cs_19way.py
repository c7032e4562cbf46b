# Adversarial, with pseudo-labels, on SYNTHIA -> Cityscapes, 19-way (Table 4).
_base_ = [
    "../_base_/models/deeplabv2_r101_adversarial.py",
    "../_base_/datasets/synthia2cs_19way_pl.py",
    "../_base_/schedules/sgd_poly_120k_adversarial.py",
]
