# DAFormer's AdamW over 40,000 iterations: 6e-5, the head at 10 times that; the rate is
# a linear warm-up over 1,500 iterations TIMES a poly decay to 0 of the whole length.
# The last and the best of the snapshots are kept; the published figure is the last's.
_base_ = ["../default_runtime.py"]
max_iters = 40_000
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    # Longer keys are tried first, then in the alphabet's order, and the first that
    # fits counts: the head's norm layers decay, as published. norm_decay_mult is for
    # MiT's last norm of each stage, which the host names layers.0.2.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            head=dict(lr_mult=10.0),
            norm=dict(decay_mult=0.0),
            pos_block=dict(decay_mult=0.0),
        ),
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, begin=0, end=1500, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=0, end=max_iters, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
