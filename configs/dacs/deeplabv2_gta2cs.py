# DACS on GTA5 -> Cityscapes, DeepLabV2.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/gta2cs_crop512.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    teacher=dict(type="EMATeacher", decay=0.99, threshold=0.968),
    phases=dict(
        target=None,
        mixed=dict(type="ClassMixPhase", classes="image", jitter_strength=0.25),
    ),
)
train_cfg = dict(max_iters=250_000)  # published, as is the poly schedule
