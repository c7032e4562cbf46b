# Table 4, "with Adversarial": eq. 12 and the adversarial loss together.
_base_ = [
    "../../_base_/models/deeplabv2_r101_cosine.py",
    "../../_base_/datasets/gta2cs_pl.py",
    "../../_base_/schedules/sgd_poly_120k_adversarial.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=19),
            loss_weight=1e-3,
        )
    )
)
