# Eq. 12 with the learning rates that the public code has in effect: its parameter
# generator lists each convolution of layer1-4 three times, so that head : layer1-4 :
# stem are 10 : 3 : 1. The default is the text's 10 : 1.
_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "../_base_/datasets/gta2cs_pl.py",
    "../_base_/schedules/sgd_poly_120k.py",
]
model = dict(
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.6)
            ),
            queue_size=2500,
            loss_weight=0.01,
            reduction="mean",
        ),
    )
)
layers = {"backbone.layer": dict(lr_mult=3.0)}
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=layers))
