# MIC on the rendered demo, with the cosine loss on the mixed image.
_base_ = ["deeplabv2_demo.py"]
model = dict(
    phases=dict(mixed=dict(align=True)),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(layer4=dict(feature="backbone[-1]", channels=256, threshold=0.9)),
            queue_size=500,
            loss_weight=0.7,
            enqueue_limit=10,
            warmup_iters=200,
        ),
    ),
)
