# DAFormer's recipe on the rendered demo, scaled as DACS is there; its net starts from
# random weights, so there is no frozen reference to hold features to.
_base_ = ["../dacs/deeplabv2_demo.py"]
model = dict(
    phases=dict(mixed=dict(classes="batch", jitter_strength=0.2)),
)
train_dataloader = dict(
    dataset=dict(source_order=dict(type="RareClassOrder", temperature=0.01))
)
