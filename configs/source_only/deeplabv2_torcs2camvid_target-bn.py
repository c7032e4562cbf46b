# The control: the target is forwarded without any loss, BatchNorm alone adapts.
_base_ = ["./deeplabv2_torcs2camvid.py"]
model = dict(target_bn=True)
