# Adversarial, with pseudo-labels, on rendered streets -> CamVid (Table 4).
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid_pl.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
model = dict(
    alignments=dict(
        adversarial=dict(
            type="AdversarialLoss",
            discriminator=dict(type="FCDiscriminator"),
            loss_weight=1e-3,
        ),
    ),
)
# The discriminator's own optimizer, under the segmentor's schedule.
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-4, betas=(0.9, 0.99))),
)
custom_hooks = _base_.diagnosis_hooks
