# AdvEnt on SYNTHIA -> Cityscapes: the discriminator judges entropy maps.
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/adam_step_120k.py",
]
model = dict(
    decode_head=dict(num_classes=16),
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-4,
            input="entropy",
        ),
    ),
)
# The discriminator's own optimizer, under the segmentor's schedule.
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-6, betas=(0.9, 0.99))),
)
