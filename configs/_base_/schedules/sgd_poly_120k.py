# SGD with the poly schedule over 250,000 iterations, stopped at 120,000 (assumed: the
# paper doesn't say), the head at 10 times the backbone's rate. The field reports the
# best of the snapshots taken every 2,000 iterations; last and best are both kept.
_base_ = ["../default_runtime.py"]
max_iters = 120_000
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={"decode_head": dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=250_000, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=2000)
