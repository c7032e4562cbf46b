# Table 4, "w/o Class-wise Split": all target features against all features of the
# current source image; neither process A nor B, hence no dictionary either.
_base_ = ["../deeplabv2_demo.py"]
model = dict(alignments=dict(cosine=dict(class_wise=False)))
