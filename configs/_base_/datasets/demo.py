# Rendered street scenes in two domains, made on the fly: nothing to download.
# Feeds the source branch in training: image and ground truth.
source_train_pipeline = [
    dict(type="LoadDemoStreet", with_labels=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds the target branch in training: the image alone.
target_train_pipeline = [
    dict(type="LoadDemoStreet", with_labels=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds the target branch when it has pseudo-labels, which are PNG files.
target_pseudo_label_pipeline = [
    dict(type="LoadDemoStreet", with_labels=False),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
# Feeds validation and test: the target's other images, with ground truth. Takes a
# photograph too (inference_model, MMSegInferencer), at its own size.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadDemoStreet", with_labels=True),
    dict(type="PackSegInputs"),
]
# Feeds test.py --tta: the image, then its mirror image.
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)],
            [dict(type="LoadDemoStreet", with_labels=True)],
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
            type="DemoStreetsDataset",
            domain="source",
            length=400,
            pipeline=source_train_pipeline,
        ),
        target=dict(
            type="DemoStreetsDataset",
            domain="target",
            length=400,
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
        type="DemoStreetsDataset",
        domain="target",
        split="val",
        length=100,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="SubsetIoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
