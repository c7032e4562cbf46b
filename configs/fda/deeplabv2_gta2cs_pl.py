# FDA's second round on GTA5 -> Cityscapes: with pseudo-labels of the first.
_base_ = ["deeplabv2_gta2cs.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/gta2cs_fda"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=dict(
                type="CheckedCityscapesDataset",
                data_root=_base_.data_root_target,
                data_prefix=dict(img_path="leftImg8bit/train"),
                pipeline=_base_.target_pseudo_label_pipeline,
            ),
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
