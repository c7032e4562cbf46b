# SYNTHIA-RAND-CITYSCAPES -> Cityscapes, 16 shared classes, both as downloaded.
_base_ = ["gta2cs.py"]
data_root_source = "data/synthia"
source_size = (1280, 760)  # (W, H) of the network's input
num_classes = 16

# Feeds the labelled source images of training.
source_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="ResizePIL", size=source_size),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    dataset=dict(
        source=dict(
            type="SYNTHIADataset",
            num_classes=num_classes,
            data_root=data_root_source,
            data_prefix=dict(img_path="RGB", seg_map_path="GT/LABELS"),
            pipeline=source_train_pipeline,
        ),
        target=dict(num_classes=num_classes),
    ),
)
val_dataloader = dict(dataset=dict(num_classes=num_classes))
test_dataloader = val_dataloader
val_evaluator = dict(subsets=["mIoU16", "mIoU13"])
test_evaluator = val_evaluator
