# Table 4, "with Adversarial": eq. 12 and the adversarial loss together. All else is as
# with pseudo-labels alone; the discriminator has an optimizer of its own.
_base_ = ["../../self_training/deeplabv2_demo.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(layer4=dict(feature="backbone[-1]", channels=256, threshold=0.9)),
            queue_size=500,
            loss_weight=0.7,
            enqueue_limit=10,
            warmup_iters=200,
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
