# MIC on rendered streets -> CamVid: DAFormer's recipe and a masked image, blocks of a
# 16th of the height.
_base_ = ["../daformer/deeplabv2_torcs2camvid.py"]
model = dict(
    phases=dict(
        masked=dict(
            type="MaskedPhase",
            block=15,
            ratio=0.7,
            sigma=(0.07, 0.54),
        )
    )
)
