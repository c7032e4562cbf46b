# FDA on the rendered demo: source images with the target's low amplitudes.
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_400.py",
]
model = dict(
    alignments=dict(entropy=dict(type="EntropyLoss", loss_weight=0.005, power=2.0))
)
train_dataloader = dict(
    dataset=dict(
        pair_transforms=[dict(type="FourierTransfer", beta=0.01)],
    ),
)
