# The paper's exact source images: translated into the style of Cityscapes, other
# size, beside the original labels.
_base_ = ["./deeplabv2_synthia2cs.py"]
translated = dict(data_prefix=dict(img_path="images_translated"), same_size=False)
train_dataloader = dict(dataset=dict(source=translated))
