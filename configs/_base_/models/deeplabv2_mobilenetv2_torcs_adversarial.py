# Adversarial alignment of the outputs (appendix C).
_base_ = ["./deeplabv2_mobilenetv2_torcs.py"]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=11),
            loss_weight=1e-3,
        )
    )
)
