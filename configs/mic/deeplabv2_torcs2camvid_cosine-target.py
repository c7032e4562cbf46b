# MIC on rendered streets -> CamVid, with the cosine loss on the plain target image: a
# forward and backward pass more.
_base_ = ["deeplabv2_torcs2camvid.py"]
model = dict(
    phases=dict(
        target=dict(
            _delete_=True,  # MIC has None there
            type="TargetPhase",
            labels="teacher",
            cross_entropy=False,
        ),
    ),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(last=dict(feature="neck[0]", channels=64, threshold=0.8)),
            queue_size=1000,
            loss_weight=0.3,
        ),
    ),
)
