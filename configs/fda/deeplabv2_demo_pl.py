# FDA's second round on the rendered demo: with pseudo-labels of the first.
_base_ = ["deeplabv2_demo.py"]
pseudo_label_dir = "work_dirs/pseudo_labels/demo_fda"
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            type="PseudoLabelDataset",
            dataset=dict(
                type="DemoStreetsDataset",
                domain="target",
                length=400,
                pipeline=_base_.target_pseudo_label_pipeline,
            ),
            pseudo_label_dir=pseudo_label_dir,
        ),
    ),
)
