# The control: the target is forwarded without any loss. FCN-8s has no BatchNorm, so
# that nothing adapts: it equals source-only.
_base_ = ["./fcn8s_synthia2cs.py"]
model = dict(target_bn=True)
