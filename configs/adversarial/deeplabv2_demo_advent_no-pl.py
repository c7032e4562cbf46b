# AdvEnt: the discriminator judges entropy maps.
_base_ = ["./deeplabv2_demo_no-pl.py"]
model = dict(alignments=dict(adversarial=dict(input="entropy")))
