# The control on translated source images.
_base_ = ["./deeplabv2_gta2cs_translated.py"]
model = dict(target_bn=True)
