# DeepLabV2-ResNet101 of the public UDA code, initialized from ImageNet (caffe).
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
    # Output stride 8. The affine part of BN is frozen, its statistics are live.
    backbone=dict(
        type="DeepLabResNet",
        depth=101,
        style="caffe",
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=False,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=False,
        init_cfg=dict(
            type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"
        ),
    ),
    decode_head=dict(
        type="DeepLabV2Head",
        in_channels=2048,
        num_classes=19,
        dilations=(6, 12, 18, 24),
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
