# Adversarial, with pseudo-labels, on SYNTHIA -> Cityscapes, 19-way (Table 4).
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs_19way_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-4,
        ),
    )
)
# The discriminator's own optimizer, under the segmentor's schedule.
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-6, betas=(0.9, 0.99))),
)
