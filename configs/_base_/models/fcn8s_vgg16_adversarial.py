# Adversarial alignment of the outputs (appendix C).
_base_ = ["./fcn8s_vgg16.py"]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator", num_classes=19),
            loss_weight=1e-4,
        )
    )
)
