# MIC on the rendered demo: DAFormer's recipe and a masked image, blocks of a 16th of
# the height.
_base_ = ["../daformer/deeplabv2_demo.py"]
model = dict(
    phases=dict(
        masked=dict(
            type="MaskedPhase",
            block=8,
            ratio=0.7,
            sigma=(0.04, 0.3),
        )
    )
)
