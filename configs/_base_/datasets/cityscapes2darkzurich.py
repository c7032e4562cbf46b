# Cityscapes -> Dark Zurich's night, 19 classes, both as downloaded.
_base_ = ["cityscapes2acdc.py"]
data_root_target = "data/dark_zurich"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            type="DarkZurichDataset",
            data_root=data_root_target,
            data_prefix=dict(img_path="rgb_anon/train/night"),
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="DarkZurichDataset",
        data_root=data_root_target,
        data_prefix=dict(img_path="rgb_anon/val/night", seg_map_path="gt/val/night"),
    ),
)
test_dataloader = val_dataloader
