# AdvEnt: the discriminator judges entropy maps.
_base_ = ["./deeplabv2_torcs2camvid_no-pl.py"]
model = dict(alignments=dict(adversarial=dict(input="entropy")))
