# AdamW at 1e-4 with the poly schedule over 400 iterations, for a pretrained backbone;
# the head at 10 times its rate.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={"decode_head": dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=400, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=400, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
