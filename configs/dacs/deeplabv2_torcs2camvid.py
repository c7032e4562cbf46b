# DACS on rendered streets -> CamVid. Decay and blur are scaled to 2,000 iterations from
# a source-only model and 240 rows (published: 0.99 over 250,000; sigma 0.15 to 1.15 of
# 512 rows).
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
model = dict(
    teacher=dict(type="EMATeacher", decay=0.99, threshold=0.968),
    phases=dict(
        target=None,
        mixed=dict(
            type="ClassMixPhase",
            classes="image",
            jitter_strength=0.25,
            sigma=(0.07, 0.54),
        ),
    ),
)
custom_hooks = _base_.diagnosis_hooks
