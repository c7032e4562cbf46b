_base_ = ["./deeplabv2_mobilenetv2.py"]
model = dict(decode_head=dict(num_classes=11))
