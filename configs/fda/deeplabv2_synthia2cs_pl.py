# FDA's second round on SYNTHIA -> Cityscapes: with pseudo-labels of the first.
_base_ = ["deeplabv2_synthia2cs.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/synthia2cs_fda"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=dict(
                type="CheckedCityscapesDataset",
                num_classes=_base_.num_classes,
                data_root=_base_.data_root_target,
                data_prefix=dict(img_path="leftImg8bit/train"),
                pipeline=_base_.target_pseudo_label_pipeline,
            ),
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
