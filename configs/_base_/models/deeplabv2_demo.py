# DeepLabV2 on a half-width ResNet-18 for the demo's small images, trained from random
# weights with one image at a time, hence GroupNorm. (With live BatchNorm nearly the
# whole gap of the demo is one of BatchNorm statistics, which no alignment of features
# has to repair.)
# BGR, 0..255, the caffe mean, no division; images arrive at their exact size.
caffe_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[104.00698793, 116.66876762, 122.67891434],
    std=[1.0, 1.0, 1.0],
    bgr_to_rgb=False,
    size_divisor=1,
    pad_val=0,
    seg_pad_val=255,
)
model = dict(
    type="UDAEncoderDecoder",
    data_preprocessor=dict(
        type="UDADataPreprocessor",
        source=caffe_preprocessor,
        target=caffe_preprocessor,
    ),
    # Output stride 8.
    backbone=dict(
        type="DeepLabResNet",
        depth=18,
        stem_channels=32,
        base_channels=32,
        style="pytorch",
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=False,
        norm_cfg=dict(type="GN", num_groups=8),
        norm_eval=False,
        init_cfg=None,
    ),
    decode_head=dict(
        type="DeepLabV2Head",
        in_channels=256,
        num_classes=10,
        dilations=(1, 2, 4, 8),
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
