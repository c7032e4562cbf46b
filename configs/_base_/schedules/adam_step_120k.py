# Adam for FCN-8s: 1e-5, biases at twice that, no weight decay, a tenth after every
# 50,000 iterations; stopped at 120,000 (assumed: the paper doesn't say). The best of
# the snapshots taken every 2,000 iterations is kept beside the last.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=1e-5, betas=(0.9, 0.99)),
    paramwise_cfg=dict(bias_lr_mult=2.0),
)
param_scheduler = [dict(type="StepLR", step_size=50_000, gamma=0.1, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=120_000, val_interval=2000)
