# Eq. 11 on SYNTHIA -> Cityscapes (Table 1).
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/synthia2cs.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    decode_head=dict(num_classes=16),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.4)
            ),
            queue_size=2500,
            loss_weight=0.01,
            reduction="mean",
        ),
    ),
)
