# Cityscapes -> ACDC's night, 19 classes, both as downloaded. Fog, rain and snow are
# folders beside night: three data_prefix of a child.
_base_ = ["gta2cs.py"]
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
# Feeds test.py --tta: the image, then its mirror image; labels stay as they are.
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizePIL", size=target_size),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]

train_dataloader = dict(
    dataset=dict(
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
