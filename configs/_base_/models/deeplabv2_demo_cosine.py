_base_ = ["./deeplabv2_demo.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            num_classes=10,
            taps=dict(layer4=dict(feature="backbone[-1]", channels=256, threshold=0.6)),
            queue_size=500,
            loss_weight=1.0,
        )
    )
)
