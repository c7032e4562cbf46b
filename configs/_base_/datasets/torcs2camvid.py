# Self-rendered streets (TORCS art) -> CamVid, 11 classes: a small data set.
# COSDA_DATA names the folder that holds source/, target/ and weights/.
data_root = "{{$COSDA_DATA:data/torcs2camvid}}"
# (W, H) of the network's input, both domains; files and evaluation are 480x360.
source_size = (320, 240)
target_size = (320, 240)
num_classes = 11

# Feeds the labelled source images of training.
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="CheckLabels", num_classes=num_classes),
    dict(type="ResizePIL", size=source_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
# Feeds the unlabelled target images of training. Their colors are left as they are: a
# teacher labels them, and phases that want other colors jitter them.
target_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds the target images of training once pseudo-labels exist (torcs2camvid_pl.py);
# PseudoLabelDataset checks their ids.
target_pseudo_label_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="ResizePIL", size=target_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds validation and test; labels, loaded after the resize, keep their full size.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="LoadAnnotations"),
    dict(type="CheckLabels", num_classes=num_classes),
    dict(type="PackSegInputs"),
]
# Feeds test.py --tta: the image, then its mirror image; labels stay as they are.
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="CheckLabels", num_classes=num_classes)],
            [dict(type="PackSegInputs")],
        ],
    ),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=False),
    dataset=dict(
        type="DomainPairDataset",
        source=dict(
            type="CamVid11Dataset",
            data_root=data_root,
            data_prefix=dict(img_path="source/images", seg_map_path="source/labels"),
            pipeline=source_train_pipeline,
        ),
        target=dict(
            type="CamVid11Dataset",
            data_root=data_root,
            data_prefix=dict(img_path="target/train/images"),
            pipeline=target_train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CamVid11Dataset",
        data_root=data_root,
        data_prefix=dict(
            img_path="target/val/images", seg_map_path="target/val/labels"
        ),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SubsetIoUMetric")
test_evaluator = val_evaluator

# What logs how good the matches are: reads target images of training with the ground
# truth that no training sees. A config says `custom_hooks = _base_.diagnosis_hooks`.
diagnosis_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
diagnosis_hooks = [
    dict(type="AlignmentReportHook", interval=500),
    dict(
        type="MatchDiagnosisHook",
        interval=500,
        dataset=dict(
            type="CamVid11Dataset",
            data_root=data_root,
            data_prefix=dict(
                img_path="target/train/images", seg_map_path="target/train/labels"
            ),
            pipeline=diagnosis_pipeline,
        ),
    ),
]
