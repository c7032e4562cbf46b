# Eq. 11 on SYNTHIA -> Cityscapes, trained 19-way, MiT-B5 with DAFormer's head.
_base_ = ["../source_only/daformer_synthia2cs_19way.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(last=dict(feature="backbone[-1]", channels=512, threshold=0.4)),
            queue_size=2500,
            loss_weight=0.01,
        ),
    )
)
