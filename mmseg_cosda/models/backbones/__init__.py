"""Feature extractors F."""

from mmseg_cosda.models.backbones.deeplab_resnet import DeepLabResNet

__all__ = ["DeepLabResNet"]
