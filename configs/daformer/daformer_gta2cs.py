# DAFormer's recipe on GTA5 -> Cityscapes, MiT-B5 with DAFormer's head.
_base_ = [
    "../_base_/models/daformer_mitb5.py",
    "../_base_/datasets/gta2cs_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
model = dict(
    decode_head=dict(loss_decode=dict(avg_non_ignore=False)),
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
    alignments=dict(imagenet=dict(type="FeatureDistanceLoss", loss_weight=0.005)),
)
train_dataloader = dict(
    dataset=dict(source_order=dict(type="RareClassOrder", temperature=0.01))
)
