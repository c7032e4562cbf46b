# Table 4, "with Adversarial": eq. 12 and the adversarial loss together. All else is as
# with pseudo-labels alone; the discriminator has an optimizer of its own.
_base_ = ["../../self_training/deeplabv2_torcs2camvid.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(last=dict(feature="neck[0]", channels=64, threshold=0.8)),
            queue_size=1000,
            loss_weight=0.3,
        ),
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-3,
        ),
    )
)
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-4, betas=(0.9, 0.99))),
)
