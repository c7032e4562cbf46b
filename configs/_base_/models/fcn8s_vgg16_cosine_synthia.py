# The paper's settings for SYNTHIA -> Cityscapes (Table 5, appendix D).
_base_ = ["./fcn8s_vgg16_cosine.py"]
taps = dict(
    fc7=dict(threshold=0.2), pool4=dict(threshold=0.3), pool3=dict(threshold=0.4)
)
model = dict(alignments=dict(cosine=dict(taps=taps)))
