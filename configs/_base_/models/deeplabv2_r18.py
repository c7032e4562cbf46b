# Trained from scratch: nothing to download, so BN learns its affine part too.
_base_ = ["./deeplabv2_r101.py"]
model = dict(
    backbone=dict(
        depth=18,
        style="pytorch",
        norm_cfg=dict(type="BN", requires_grad=True),
        init_cfg=None,
    ),
    decode_head=dict(in_channels=512),
)
