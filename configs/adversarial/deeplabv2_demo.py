# Adversarial, with pseudo-labels, on the rendered demo (Table 4).
_base_ = [
    "../_base_/models/deeplabv2_demo_adversarial.py",
    "../_base_/datasets/demo_pl.py",
    "../_base_/schedules/adamw_poly_demo_adversarial.py",
]
