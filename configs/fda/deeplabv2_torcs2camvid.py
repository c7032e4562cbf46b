# FDA on rendered streets -> CamVid: source images with the target's low amplitudes.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
model = dict(
    alignments=dict(entropy=dict(type="EntropyLoss", loss_weight=0.005, power=2.0)),
)
train_dataloader = dict(
    dataset=dict(
        pair_transforms=[dict(type="FourierTransfer", beta=0.01)],
    ),
)
custom_hooks = _base_.diagnosis_hooks
