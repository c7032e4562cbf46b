# Adversarial, without pseudo-labels, on SYNTHIA -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_r101_adversarial.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/sgd_poly_120k_adversarial.py",
]
model = dict(
    decode_head=dict(num_classes=16),
    alignments=dict(adversarial=dict(discriminator=dict(num_classes=16))),
)
