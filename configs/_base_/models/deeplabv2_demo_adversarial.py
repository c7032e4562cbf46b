# Adversarial alignment of the outputs (appendix C).
_base_ = ["./deeplabv2_demo.py"]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=10),
            loss_weight=1e-3,
        )
    )
)
