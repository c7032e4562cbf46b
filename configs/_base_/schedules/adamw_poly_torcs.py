# AdamW with the poly schedule; the head at 10 times the backbone's rate.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={"decode_head": dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=1200, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=1200, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
