# MIC on GTA5 -> Cityscapes, DeepLabV2: DAFormer's recipe and a masked image.
_base_ = ["../daformer/deeplabv2_gta2cs.py"]
model = dict(phases=dict(masked=dict(type="MaskedPhase", block=32, ratio=0.7)))
