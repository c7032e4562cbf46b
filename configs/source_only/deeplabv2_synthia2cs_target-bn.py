# The control: the target is forwarded without any loss, BatchNorm alone adapts.
_base_ = ["./deeplabv2_synthia2cs.py"]
model = dict(target_bn=True)
