# Eq. 11 on your own data: the cosine loss without pseudo-labels.
_base_ = ["./source_only.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.6)
            ),
            queue_size=2500,
            loss_weight=0.01,
        ),
    )
)
