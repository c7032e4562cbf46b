# DAFormer's recipe on rendered streets -> CamVid, scaled as DACS is there; no margins,
# which would take 135 of 512 rows.
_base_ = ["../dacs/deeplabv2_torcs2camvid.py"]
model = dict(
    reference=dict(type="FrozenReference"),
    phases=dict(mixed=dict(classes="batch", jitter_strength=0.2)),
    alignments=dict(
        imagenet=dict(
            type="FeatureDistanceLoss",
            classes=(6, 8, 9, 10),  # sign, car, pedestrian, bicyclist
            loss_weight=0.005,
        ),
    ),
)
train_dataloader = dict(
    dataset=dict(source_order=dict(type="RareClassOrder", temperature=0.01))
)
