# DAFormer's recipe on SYNTHIA -> Cityscapes, DeepLabV2.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
things = (6, 7, 10, 11, 12, 13, 14, 15)  # among the 16 classes
model = dict(
    decode_head=dict(num_classes=16, loss_decode=dict(avg_non_ignore=False)),
    teacher=dict(
        type="EMATeacher",
        decay=0.999,
        threshold=0.968,
        ignore_top=15,
        ignore_bottom=120,
    ),
    reference=dict(type="FrozenReference"),
    phases=dict(
        target=None,
        mixed=dict(type="ClassMixPhase", classes="batch", jitter_strength=0.2),
    ),
    alignments=dict(
        imagenet=dict(type="FeatureDistanceLoss", classes=things, loss_weight=0.005)
    ),
)
train_dataloader = dict(
    dataset=dict(source_order=dict(type="RareClassOrder", temperature=0.01))
)
