# The upper bound: trained on the target's ground truth, which adaptation never sees.
_base_ = ["./deeplabv2_torcs2camvid.py"]
target = dict(img_path="target/train/images", seg_map_path="target/train/labels")
train_dataloader = dict(dataset=dict(source=dict(data_prefix=target)))
