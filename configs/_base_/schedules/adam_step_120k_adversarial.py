# adam_step_120k.py, with the discriminator's own Adam under the same step schedule.
_base_ = ["./adam_step_120k.py"]
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-6, betas=(0.9, 0.99))),
)
