# DACS on rendered streets -> CamVid, with the cosine loss on the plain target image: a
# forward and backward pass more.
_base_ = ["deeplabv2_torcs2camvid_cosine.py"]
model = dict(
    phases=dict(
        mixed=dict(align=False),
        target=dict(
            _delete_=True,  # DACS has None there
            type="TargetPhase",
            labels="teacher",
            cross_entropy=False,
        ),
    ),
)
