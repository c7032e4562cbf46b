# AdvEnt on SYNTHIA -> Cityscapes, 19-way: the discriminator judges entropy maps.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs_19way.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-3,
            input="entropy",
        ),
    )
)
# The discriminator's own optimizer, under the segmentor's schedule.
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-4, betas=(0.9, 0.99))),
)
