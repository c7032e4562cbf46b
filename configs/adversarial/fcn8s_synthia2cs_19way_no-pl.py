# Adversarial, without pseudo-labels, on SYNTHIA -> Cityscapes, 19-way (Table 1).
_base_ = [
    "../_base_/models/fcn8s_vgg16_adversarial.py",
    "../_base_/datasets/synthia2cs_19way.py",
    "../_base_/schedules/adam_step_120k_adversarial.py",
]
