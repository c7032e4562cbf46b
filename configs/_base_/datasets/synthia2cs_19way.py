# SYNTHIA -> Cityscapes on the 19-class scale, as BDL, FDA and DAFormer train it.
_base_ = ["synthia2cs.py"]
num_classes = 19
train_dataloader = dict(
    dataset=dict(
        source=dict(num_classes=num_classes),
        target=dict(num_classes=num_classes),
    )
)
val_dataloader = dict(dataset=dict(num_classes=num_classes))
test_dataloader = val_dataloader
