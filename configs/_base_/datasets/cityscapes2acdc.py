# Cityscapes -> ACDC's night, 19 classes, both as downloaded. Fog, rain and snow are
# folders beside night: three data_prefix of a child.
data_root_source = "data/cityscapes"
data_root_target = "data/acdc"
# (W, H) of the network's input; files have 2048x1024 and 1920x1080.
source_size = (1024, 512)
target_size = (960, 540)

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
# Feeds the target images of training once pseudo-labels exist.
target_pseudo_label_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="ResizePIL", size=target_size),
    dict(type="PackSegInputs"),
]
# Feeds validation and test; labels hold trainIds and keep their size.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=False),
    dataset=dict(
        type="DomainPairDataset",
        source=dict(
            type="CheckedCityscapesDataset",
            data_root=data_root_source,
            data_prefix=dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train"),
            pipeline=source_train_pipeline,
        ),
        target=dict(
            type="CityscapesDataset",
            data_root=data_root_target,
            data_prefix=dict(img_path="rgb_anon/night/train"),
            img_suffix="_rgb_anon.png",
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
        type="CityscapesDataset",
        data_root=data_root_target,
        data_prefix=dict(img_path="rgb_anon/night/val", seg_map_path="gt/night/val"),
        img_suffix="_rgb_anon.png",
        seg_map_suffix="_gt_labelTrainIds.png",
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SubsetIoUMetric")
test_evaluator = val_evaluator
