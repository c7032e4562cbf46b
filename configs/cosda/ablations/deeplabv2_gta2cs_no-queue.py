# Table 4, "w/o Dictionary": the current source image's features alone, by class.
_base_ = ["../deeplabv2_gta2cs.py"]
model = dict(alignments=dict(cosine=dict(use_queue=False)))
