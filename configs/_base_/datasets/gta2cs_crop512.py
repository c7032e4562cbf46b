# GTA5 -> Cityscapes at half resolution in crops of 512, two of each domain: the data of
# DAFormer and of what came after it.
_base_ = ["gta2cs.py"]
crop_size = (512, 512)

# OpenCV's bilinear filter. The source keeps its ratio: 1914x1052 becomes 1280x704.
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="Resize", scale=(1280, 720), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
target_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# The whole image; labels, loaded after the resize, keep their 2048x1024.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
    dict(type="RawIdsToTrainIds"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=False),
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
    batch_size=2,
    dataset=dict(
        source=dict(pipeline=source_train_pipeline),
        target=dict(pipeline=target_train_pipeline),
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
