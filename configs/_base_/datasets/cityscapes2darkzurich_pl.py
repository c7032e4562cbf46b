# cityscapes2darkzurich.py, with pseudo-labels on the target images of training.
_base_ = ["cityscapes2darkzurich.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/cityscapes2darkzurich"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=_base_.train_dataloader.dataset.target,
            pipeline=_base_.target_pseudo_label_pipeline,
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
