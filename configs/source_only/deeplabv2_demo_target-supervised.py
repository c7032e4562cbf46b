# The upper bound: trained on the target's ground truth, which adaptation never sees.
_base_ = ["./deeplabv2_demo.py"]
train_dataloader = dict(dataset=dict(source=dict(domain="target")))
