# Eq. 12 on SYNTHIA -> Cityscapes, 19-way (Table 3).
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/synthia2cs_19way_pl.py",
    "../_base_/schedules/adam_step_120k.py",
]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            # Appendix D: the shallower the map, the higher its threshold.
            taps=dict(
                fc7=dict(feature="backbone[-1]", channels=4096, threshold=0.2),
                pool4=dict(feature="backbone[-2]", channels=512, threshold=0.3),
                pool3=dict(feature="backbone[-3]", channels=256, threshold=0.4),
            ),
            queue_size=2000,
            loss_weight=0.001,
            reduction="mean",
        ),
    )
)
