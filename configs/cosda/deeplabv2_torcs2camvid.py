# Eq. 12 on rendered streets -> CamVid.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid_pl.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(last=dict(feature="neck[0]", channels=64, threshold=0.8)),
            queue_size=1000,
            loss_weight=0.3,
        ),
    ),
)
custom_hooks = _base_.diagnosis_hooks
