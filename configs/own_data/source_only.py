# Your own data: copy this folder, change the values, train (docs/own_data.md).
# Source-only: the labelled renders alone. The other files here add a method to it.
_base_ = [
    "../_base_/models/deeplabv2_r50.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
data_root = "data"
classes = ("road", "building", "tree", "car", "person")
palette = [[128, 64, 128], [70, 70, 70], [107, 142, 35], [0, 0, 142], [220, 20, 60]]
zero_is_unlabelled = True  # ids 1..5 in the files, and 0 for no class; False: ids 0..4
size = (1024, 512)  # (W, H) of the network's input, whatever size the files have
max_iters = 20_000
val_interval = 1000

load = dict(type="LoadImageFromFile")
label = dict(type="LoadAnnotations")
resize = dict(type="ResizePIL", size=size)
pack = dict(type="PackSegInputs")
pseudo_label_pipeline = [load, label, resize, pack]
test_pipeline = [load, resize, label, pack]  # labels are compared at their own size
folder = dict(
    type="FolderSegDataset",
    data_root=data_root,
    metainfo=dict(classes=classes, palette=palette),
    reduce_zero_label=zero_is_unlabelled,
)
renders = dict(img_path="renders/images", seg_map_path="renders/labels")
photos = dict(img_path="photos/train")
labelled_photos = dict(img_path="photos/val/images", seg_map_path="photos/val/labels")

train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=False),
    dataset=dict(
        type="DomainPairDataset",
        source=dict(folder, data_prefix=renders, pipeline=[load, label, resize, pack]),
        target=dict(folder, data_prefix=photos, pipeline=[load, resize, pack]),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(folder, data_prefix=labelled_photos, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type="SubsetIoUMetric")
model = dict(decode_head=dict(num_classes=len(classes)))
rate = dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, by_epoch=False)
param_scheduler = [dict(rate, end=max_iters)]
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
default_hooks = dict(checkpoint=dict(interval=val_interval))
