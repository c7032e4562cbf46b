# SYNTHIA -> Cityscapes on the 19-class scale, with pseudo-labels.
_base_ = ["synthia2cs_pl.py"]
num_classes = 19
pseudo_label_dir = "work_dirs/pseudo_labels/synthia2cs_19way"
train_dataloader = dict(
    dataset=dict(
        source=dict(num_classes=num_classes),
        target=dict(
            dataset=dict(num_classes=num_classes),
            pseudo_label_dir=pseudo_label_dir,
        ),
    )
)
val_dataloader = dict(dataset=dict(num_classes=num_classes))
test_dataloader = val_dataloader
