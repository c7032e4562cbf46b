# adamw_poly_demo.py, with the discriminator's own Adam under the same poly schedule.
_base_ = ["./adamw_poly_demo.py"]
optim_wrapper = dict(
    constructor="JointOptimWrapperConstructor",
    discriminator=dict(optimizer=dict(type="Adam", lr=1e-4, betas=(0.9, 0.99))),
)
