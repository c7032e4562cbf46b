# AdamW with the poly schedule; the head at 10 times the backbone's rate.
_base_ = ["../default_runtime.py"]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={"decode_head": dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=400, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=400, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))

# Feeds the diagnosis: target images of training with the ground truth that no training
# sees.
diagnosis_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=(256, 192)),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
custom_hooks = [
    dict(type="AlignmentReportHook", interval=100),
    dict(
        type="MatchDiagnosisHook",
        interval=100,
        dataset=dict(
            type="CamVid11Dataset",
            data_root="{{$COSDA_DATA:data/torcs2camvid}}",
            data_prefix=dict(
                img_path="target/train/images", seg_map_path="target/train/labels"
            ),
            pipeline=diagnosis_pipeline,
        ),
    ),
]
