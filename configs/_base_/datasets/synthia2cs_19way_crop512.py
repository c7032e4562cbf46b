# The same on the 19-class scale, as DAFormer trains it; published on 16 of them.
_base_ = ["synthia2cs_crop512.py"]
num_classes = 19
train_dataloader = dict(
    dataset=dict(
        source=dict(num_classes=num_classes),
        target=dict(num_classes=num_classes),
    )
)
val_dataloader = dict(dataset=dict(num_classes=num_classes))
test_dataloader = val_dataloader
