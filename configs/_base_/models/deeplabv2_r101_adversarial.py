# Adversarial alignment of the outputs (appendix C).
_base_ = ["./deeplabv2_r101.py"]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=19),
            loss_weight=1e-3,
        )
    )
)
