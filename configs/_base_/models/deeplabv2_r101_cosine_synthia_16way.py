# The 16 classes that SYNTHIA shares with Cityscapes, as in the paper.
_base_ = ["./deeplabv2_r101_cosine_synthia.py"]
model = dict(
    decode_head=dict(num_classes=16),
    alignments=dict(cosine=dict(num_classes=16)),
)
