"""Feature extractors F."""

from __future__ import annotations

from mmseg_cosda.models.backbones.deeplab_resnet import DeepLabResNet
from mmseg_cosda.models.backbones.fcn_vgg import FCNVGG

__all__ = ["FCNVGG", "DeepLabResNet"]
