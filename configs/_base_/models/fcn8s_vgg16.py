# FCN-8s-VGG16 of the public UDA code, initialized from ImageNet (caffe).
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
    # 'backbone[-1]' is fc7 (4096 channels), [-2] pool4 (512), [-3] pool3 (256).
    backbone=dict(
        type="FCNVGG",
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://vgg16_caffe"),
    ),
    decode_head=dict(
        type="FCN8sHead",
        num_classes=19,
        in_channels=(256, 512, 4096),
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    alignments=dict(),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
