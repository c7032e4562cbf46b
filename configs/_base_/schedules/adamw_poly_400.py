# AdamW at 1e-3 with the poly schedule over 400 iterations, for random weights: minutes
# on two CPU cores.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=5e-4),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=400, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=400, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
