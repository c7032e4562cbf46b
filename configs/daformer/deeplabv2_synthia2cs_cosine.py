# DAFormer's recipe on SYNTHIA -> Cityscapes, with the cosine loss on the mixed image.
_base_ = ["deeplabv2_synthia2cs.py"]
model = dict(
    phases=dict(mixed=dict(align=True)),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.4)
            ),
            queue_size=2500,
            loss_weight=0.01,
        ),
    ),
)
