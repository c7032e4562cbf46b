# Source images alone on SYNTHIA -> Cityscapes, MiT-B5 with DAFormer's head.
_base_ = [
    "../_base_/models/daformer_mitb5.py",
    "../_base_/datasets/synthia2cs_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
model = dict(decode_head=dict(num_classes=16))
