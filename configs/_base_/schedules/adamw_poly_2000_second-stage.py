# The second stage behind adamw_poly_2000_head-4x.py, which a method begins from its
# last model (load_from): as long, at half the rate.
_base_ = ["./adamw_poly_2000_head-4x.py"]
optim_wrapper = dict(optimizer=dict(lr=2e-4))
