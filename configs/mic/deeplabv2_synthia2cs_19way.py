# MIC on SYNTHIA -> Cityscapes, trained 19-way, DeepLabV2: DAFormer's recipe and a
# masked image.
_base_ = ["../daformer/deeplabv2_synthia2cs_19way.py"]
model = dict(phases=dict(masked=dict(type="MaskedPhase", block=32, ratio=0.7)))
