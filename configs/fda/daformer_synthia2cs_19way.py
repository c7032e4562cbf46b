# FDA on SYNTHIA -> Cityscapes 19-way, MiT-B5 with DAFormer's head: crops have one size.
_base_ = ["../source_only/daformer_synthia2cs_19way.py"]
model = dict(
    alignments=dict(entropy=dict(type="EntropyLoss", loss_weight=0.005, power=2.0))
)
train_dataloader = dict(
    dataset=dict(
        pair_transforms=[dict(type="FourierTransfer", beta=0.01)],
    ),
)
