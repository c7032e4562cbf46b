# LoveDA urban -> rural, 7 classes: Train.zip and Val.zip as they unpack, 1024x1024.
_base_ = ["potsdam2vaihingen.py"]
data_root = "data/loveDA"
train_dataloader = dict(
    dataset=dict(
        source=dict(
            type="LoveDADataset",
            data_root=data_root,
            data_prefix=dict(
                img_path="Train/Urban/images_png", seg_map_path="Train/Urban/masks_png"
            ),
        ),
        target=dict(
            type="LoveDADataset",
            data_root=data_root,
            data_prefix=dict(img_path="Train/Rural/images_png"),
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="LoveDADataset",
        data_root=data_root,
        data_prefix=dict(
            img_path="Val/Rural/images_png", seg_map_path="Val/Rural/masks_png"
        ),
    ),
)
test_dataloader = val_dataloader
