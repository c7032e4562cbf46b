# FDA on SYNTHIA -> Cityscapes: source images with the target's low amplitudes.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    decode_head=dict(num_classes=16),
    alignments=dict(entropy=dict(type="EntropyLoss", loss_weight=0.005, power=2.0)),
)
# A swap needs two images of one size: the source is cropped to the target's.
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="ResizePIL", size=_base_.source_size),
    dict(type="RandomCrop", crop_size=(512, 1024)),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    dataset=dict(
        source=dict(pipeline=source_train_pipeline),
        pair_transforms=[dict(type="FourierTransfer", beta=0.01)],
    ),
)
