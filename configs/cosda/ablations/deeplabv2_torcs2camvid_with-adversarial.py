# Table 4, "with Adversarial": eq. 12 and the adversarial loss together.
_base_ = [
    "../../_base_/models/deeplabv2_mobilenetv2_torcs_cosine.py",
    "../../_base_/datasets/torcs2camvid_pl.py",
    "../../_base_/schedules/adamw_poly_torcs_adversarial.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=11),
            loss_weight=1e-3,
        )
    )
)
