# DACS on SYNTHIA -> Cityscapes, trained 19-way, MiT-B5 with DAFormer's head.
_base_ = [
    "../_base_/models/daformer_mitb5.py",
    "../_base_/datasets/synthia2cs_19way_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
model = dict(
    decode_head=dict(loss_decode=dict(avg_non_ignore=True)),
    teacher=dict(type="EMATeacher", decay=0.99, threshold=0.968),
    phases=dict(
        target=None,
        mixed=dict(type="ClassMixPhase", classes="image", jitter_strength=0.25),
    ),
)
