# Table 4, "with Adversarial": eq. 12 and the adversarial loss together.
_base_ = [
    "../../_base_/models/deeplabv2_demo_cosine.py",
    "../../_base_/datasets/demo_pl.py",
    "../../_base_/schedules/adamw_poly_demo_adversarial.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=10),
            loss_weight=1e-3,
        )
    )
)
