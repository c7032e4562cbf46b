# Eq. 12 with the learning rates that the public code has in effect: its parameter
# generator lists each convolution of layer1-4 three times, so that head : layer1-4 :
# stem are 10 : 3 : 1. The default is the text's 10 : 1.
_base_ = ["./deeplabv2_gta2cs.py"]
layers = {"backbone.layer": dict(lr_mult=3.0)}
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=layers))
