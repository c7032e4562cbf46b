# MIC with the cosine loss on your own data, to go on from eq. 11's model: a teacher
# labels the photographs, the student learns them mixed with renders of rare classes,
# and once more with most of each hidden.
_base_ = ["./source_only.py"]
model = dict(
    teacher=dict(type="EMATeacher", decay=0.999, threshold=0.968),
    phases=dict(
        target=None,
        mixed=dict(
            type="ClassMixPhase",
            classes="batch",
            jitter_strength=0.2,
            align=True,  # the cosine loss compares this phase's target pixels
        ),
        masked=dict(type="MaskedPhase", block=32, ratio=0.7),  # a 16th of the height
    ),
    alignments=dict(
        cosine=dict(
            type="ClassWiseCosineLoss",
            taps=dict(
                layer4=dict(feature="backbone[-1]", channels=2048, threshold=0.6)
            ),
            queue_size=2500,
            loss_weight=0.01,
        ),
    ),
)
train_dataloader = dict(
    dataset=dict(source_order=dict(type="RareClassOrder", temperature=0.01))
)
