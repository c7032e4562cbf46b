# MIC on SYNTHIA -> Cityscapes, trained 19-way, MiT-B5 with DAFormer's head: DAFormer's
# recipe and a masked image.
_base_ = ["../daformer/daformer_synthia2cs_19way.py"]
model = dict(phases=dict(masked=dict(type="MaskedPhase", block=32, ratio=0.7)))
