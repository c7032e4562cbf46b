# Eq. 11: the cosine loss without pseudo-labels. The embedded default.
# At most 10 features per class and image: a queue of 50 images, in which each pixel
# finds some above a high T_cos. The weight rises while the net learns the classes.
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_400.py",
]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(layer4=dict(feature="backbone[-1]", channels=256, threshold=0.9)),
            queue_size=500,
            loss_weight=0.7,
            enqueue_limit=10,
            warmup_iters=200,
        ),
    )
)
