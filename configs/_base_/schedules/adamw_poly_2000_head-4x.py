# AdamW at 4e-4 with the poly schedule over 2,000 iterations, for a small pretrained
# backbone; neck and head, which begin with random weights, at 4 times its rate.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=4e-4, weight_decay=1e-4),
    paramwise_cfg=dict(
        custom_keys={"neck": dict(lr_mult=4.0), "decode_head": dict(lr_mult=4.0)}
    ),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=2000, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2000, val_interval=250)
default_hooks = dict(checkpoint=dict(interval=250))
