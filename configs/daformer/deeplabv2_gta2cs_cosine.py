# DAFormer's recipe on GTA5 -> Cityscapes, with the cosine loss on the mixed image.
_base_ = ["deeplabv2_gta2cs.py"]
model = dict(
    phases=dict(mixed=dict(align=True)),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.6)
            ),
            queue_size=2500,
            loss_weight=0.01,
        ),
    ),
)
