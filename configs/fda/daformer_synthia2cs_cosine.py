# FDA on SYNTHIA -> Cityscapes, MiT-B5, with the cosine loss (eq. 11) on top.
_base_ = ["daformer_synthia2cs.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(last=dict(feature="backbone[-1]", channels=512, threshold=0.4)),
            queue_size=2500,
            loss_weight=0.01,
        ),
    ),
)
