# MIC on SYNTHIA -> Cityscapes, trained 19-way, with the cosine loss on the mixed image.
_base_ = ["deeplabv2_synthia2cs_19way.py"]
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
