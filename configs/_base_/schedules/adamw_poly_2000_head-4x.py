# The second stage behind adamw_poly_1500_head-4x.py, which a method begins from its
# last model (load_from): half the rate, 2,000 iterations.
_base_ = ["./adamw_poly_1500_head-4x.py"]
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=2000, by_epoch=False)
]
train_cfg = dict(max_iters=2000)
