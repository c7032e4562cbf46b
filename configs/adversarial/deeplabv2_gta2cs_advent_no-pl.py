# AdvEnt: the discriminator judges entropy maps.
_base_ = ["./deeplabv2_gta2cs_no-pl.py"]
model = dict(alignments=dict(adversarial=dict(input="entropy")))
