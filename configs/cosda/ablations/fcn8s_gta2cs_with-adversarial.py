# Table 4, "with Adversarial": eq. 12 and the adversarial loss together. All else is as
# with pseudo-labels alone; the discriminator has an optimizer of its own.
_base_ = ["../../self_training/fcn8s_gta2cs.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                fc7=dict(feature="backbone[-1]", channels=4096, threshold=0.4),
                pool4=dict(feature="backbone[-2]", channels=512, threshold=0.5),
                pool3=dict(feature="backbone[-3]", channels=256, threshold=0.6),
            ),
            queue_size=2000,
            loss_weight=0.001,
            reduction="mean",
        ),
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-4,
        ),
    )
)
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-6, betas=(0.9, 0.99))),
)
