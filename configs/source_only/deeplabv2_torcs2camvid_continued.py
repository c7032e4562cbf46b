_base_ = ["./deeplabv2_torcs2camvid.py"]
