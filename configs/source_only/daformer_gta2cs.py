# Source images alone on GTA5 -> Cityscapes, MiT-B5 with DAFormer's head.
_base_ = [
    "../_base_/models/daformer_mitb5.py",
    "../_base_/datasets/gta2cs_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
