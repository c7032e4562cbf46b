# Eq. 12 on Cityscapes -> Dark Zurich's night.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/cityscapes2darkzurich_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
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
    ),
)
