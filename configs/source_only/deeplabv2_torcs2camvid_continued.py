# The control of every method that begins from the source-only model: as long a second
# stage, with the source alone.
_base_ = [
    "../_base_/models/deeplabv2_mobilenetv2.py",
    "../_base_/datasets/torcs2camvid.py",
    "../_base_/schedules/adamw_poly_2000_second-stage.py",
]
custom_hooks = _base_.diagnosis_hooks
