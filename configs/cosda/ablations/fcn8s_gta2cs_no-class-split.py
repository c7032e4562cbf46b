# Table 4, "w/o Class-wise Split": all target features against all features of the
# current source image; neither process A nor B, hence no dictionary either.
_base_ = [
    "../../_base_/models/fcn8s_vgg16.py",
    "../../_base_/datasets/gta2cs_pl.py",
    "../../_base_/schedules/adam_step_120k.py",
]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                fc7=dict(feature="backbone[-1]", channels=4096, threshold=0.4),
                pool4=dict(feature="backbone[-2]", channels=512, threshold=0.5),
                pool3=dict(feature="backbone[-3]", channels=256, threshold=0.6),
            ),
            queue_size=2000,
            loss_weight=0.001,
            reduction="mean",
            class_wise=False,
        ),
    )
)
