# FDA's second round on rendered streets -> CamVid: with pseudo-labels of the first.
_base_ = ["deeplabv2_torcs2camvid.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/torcs2camvid_fda"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=dict(
                type="CamVid11Dataset",
                data_root=_base_.data_root,
                data_prefix=dict(img_path="target/train/images"),
                pipeline=_base_.target_pseudo_label_pipeline,
            ),
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
