# Eq. 12 on Potsdam -> Vaihingen.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/potsdam2vaihingen_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    decode_head=dict(num_classes=6),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(341, 341)),
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
