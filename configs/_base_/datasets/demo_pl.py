# The target with pseudo-labels out of a folder (tools/generate_pseudo_labels.py).
_base_ = ["./demo.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/demo"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            pseudo_label_dir=pseudo_label_dir,
            dataset=dict(
                type="DemoStreetsDataset",
                domain="target",
                length=400,
                pipeline=_base_.target_pseudo_label_pipeline,
            ),
        )
    )
)
