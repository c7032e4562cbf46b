_base_ = ["./deeplabv2_mobilenetv2_torcs.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            num_classes=11,
            taps=dict(last=dict(feature="backbone[-1]", channels=320, threshold=0.6)),
            queue_size=1000,
            loss_weight=0.1,
        )
    )
)
