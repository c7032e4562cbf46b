# The paper's settings for SYNTHIA -> Cityscapes (Table 5).
_base_ = ["./deeplabv2_r101_cosine.py"]
model = dict(alignments=dict(cosine=dict(taps=dict(layer4=dict(threshold=0.4)))))
