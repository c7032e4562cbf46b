# Adversarial, with pseudo-labels, on GTA5 -> Cityscapes (Table 4).
_base_ = [
    "../_base_/models/fcn8s_vgg16_adversarial.py",
    "../_base_/datasets/gta2cs_pl.py",
    "../_base_/schedules/adam_step_120k_adversarial.py",
]
