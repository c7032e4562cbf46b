# Source images alone on SYNTHIA -> Cityscapes, trained 19-way, MiT-B5 with DAFormer's
# head.
_base_ = [
    "../_base_/models/daformer_mitb5.py",
    "../_base_/datasets/synthia2cs_19way_crop512.py",
    "../_base_/schedules/adamw_warmup_poly_40k.py",
]
