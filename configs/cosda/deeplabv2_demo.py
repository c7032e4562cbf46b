# Eq. 12: the cosine loss with pseudo-labels.
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo_pl.py",
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
