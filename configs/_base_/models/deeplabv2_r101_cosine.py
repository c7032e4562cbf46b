# The paper's settings for GTA5 -> Cityscapes (Table 5).
_base_ = ["./deeplabv2_r101.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            num_classes=19,
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.6)
            ),
            queue_size=2500,
            loss_weight=0.01,
            reduction="mean",
        )
    )
)
