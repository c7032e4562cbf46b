# The paper's settings for GTA5 -> Cityscapes (Table 5); appendix D: three maps, the
# shallower the higher the threshold (+0.1 each), one queue per map.
_base_ = ["./fcn8s_vgg16.py"]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            num_classes=19,
            taps=dict(
                fc7=dict(feature="backbone[-1]", channels=4096, threshold=0.4),
                pool4=dict(feature="backbone[-2]", channels=512, threshold=0.5),
                pool3=dict(feature="backbone[-3]", channels=256, threshold=0.6),
            ),
            queue_size=2000,
            loss_weight=0.001,
            reduction="mean",
        )
    )
)
