# MIC on GTA5 -> Cityscapes, MiT-B5 with DAFormer's head: DAFormer's recipe and a masked
# image.
_base_ = ["../daformer/daformer_gta2cs.py"]
model = dict(phases=dict(masked=dict(type="MaskedPhase", block=32, ratio=0.7)))
