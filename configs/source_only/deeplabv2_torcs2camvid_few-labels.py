# Not unsupervised: source-only, continued, with the labels of ten photographs of other
# streets than validation's, to see what labels of the target's own kind are worth.
_base_ = ["./deeplabv2_torcs2camvid_continued.py"]
train_dataloader = dict(
    dataset=dict(
        target=dict(
            data_prefix=dict(seg_map_path="target/train/labels"),
            # Of the sequences 0001TP and 0006R0, which are the first 163 of 367 files.
            indices=[8, 24, 40, 56, 72, 88, 104, 120, 136, 152],
            pipeline=_base_.target_pseudo_label_pipeline,
        ),
        target_labels="ground_truth",
    ),
)
