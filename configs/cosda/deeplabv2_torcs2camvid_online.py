# Eq. 12 on rendered streets -> CamVid with online pseudo-labels: the teacher's classes,
# by the median confidence of each (eq. 13), in place of a first stage.
_base_ = ["deeplabv2_torcs2camvid_no-pl.py"]
model = dict(
    teacher=dict(
        type="EMATeacher",
        decay=0.99,
        weighting="class_median",
        quantile=0.5,
        cap=0.9,
    ),
    phases=dict(target=dict(labels="teacher")),
)
