# DACS on the rendered demo. Decay and blur are scaled to 400 iterations and 128 rows
# (published: 0.99 over 250,000; sigma 0.15 to 1.15 of 512 rows).
_base_ = [
    "../_base_/models/deeplabv2_demo.py",
    "../_base_/datasets/demo.py",
    "../_base_/schedules/adamw_poly_400.py",
]
model = dict(
    teacher=dict(type="EMATeacher", decay=0.95, threshold=0.968),
    phases=dict(
        target=None,
        mixed=dict(
            type="ClassMixPhase",
            classes="image",
            jitter_strength=0.25,
            sigma=(0.04, 0.3),
        ),
    ),
)
