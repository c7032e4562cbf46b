# Pseudo-labels alone on your own data.
_base_ = ["./source_only.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/own_data"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=_base_.train_dataloader.dataset.target,
            pipeline=_base_.pseudo_label_pipeline,
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
