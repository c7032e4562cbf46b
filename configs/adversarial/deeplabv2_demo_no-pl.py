# Adversarial, without pseudo-labels, on the rendered demo (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_demo_adversarial.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_demo_adversarial.py",
]
