# SYNTHIA-RAND-CITYSCAPES -> Cityscapes, 16 shared classes, both as downloaded.
data_root_source = "data/synthia"
data_root_target = "data/cityscapes"
# (W, H) of the network's input; aspect ratios are not kept.
source_size = (1280, 760)
target_size = (1024, 512)
num_classes = 16

# Feeds the labelled source images of training.
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="ResizePIL", size=source_size),
    dict(type="PackSegInputs"),
]
# Feeds the unlabelled target images of training.
target_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="PackSegInputs"),
]
# Feeds the target images of training once pseudo-labels exist (synthia2cs_pl.py);
# PseudoLabelDataset checks their ids.
target_pseudo_label_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="ResizePIL", size=target_size),
    dict(type="PackSegInputs"),
]
# Feeds validation and test; labels, loaded after the resize, keep their 2048x1024.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="RawIdsToTrainIds"),
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
            [dict(type="RawIdsToTrainIds")],
            [dict(type="PackSegInputs")],
        ],
    ),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=False),
    dataset=dict(
        type="DomainPairDataset",
        source=dict(
            type="SYNTHIADataset",
            num_classes=num_classes,
            data_root=data_root_source,
            data_prefix=dict(img_path="RGB", seg_map_path="GT/LABELS"),
            pipeline=source_train_pipeline,
        ),
        target=dict(
            type="CheckedCityscapesDataset",
            num_classes=num_classes,
            data_root=data_root_target,
            data_prefix=dict(img_path="leftImg8bit/train"),
            pipeline=target_train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CheckedCityscapesDataset",
        num_classes=num_classes,
        data_root=data_root_target,
        data_prefix=dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SubsetIoUMetric", subsets=["mIoU16", "mIoU13"])
test_evaluator = val_evaluator
