# Potsdam -> Vaihingen, 6 classes: tiles of 512x512 as the host's converters cut them.
data_root_source = "data/potsdam"
data_root_target = "data/vaihingen"
crop_size = (512, 512)  # (H, W); test images are read whole, for sliding windows

# Feeds the labelled source images of training. In the files 0 is ignored, as the
# host's datasets of this task say (reduce_zero_label).
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds the unlabelled target images of training.
target_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds the target images of training once pseudo-labels exist: the source's.
target_pseudo_label_pipeline = source_train_pipeline
# Feeds validation and test.
test_pipeline = [
    dict(type="LoadImageFromFile"),
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
            type="PotsdamDataset",
            data_root=data_root_source,
            data_prefix=dict(img_path="img_dir/train", seg_map_path="ann_dir/train"),
            pipeline=source_train_pipeline,
        ),
        target=dict(
            type="ISPRSDataset",
            data_root=data_root_target,
            data_prefix=dict(img_path="img_dir/train"),
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
        type="ISPRSDataset",
        data_root=data_root_target,
        data_prefix=dict(img_path="img_dir/val", seg_map_path="ann_dir/val"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SubsetIoUMetric")
test_evaluator = val_evaluator
