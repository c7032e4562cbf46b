"""Feature extractors F."""

from __future__ import annotations

from mmseg_cosda.models.backbones.deeplab_resnet import DeepLabResNet

__all__ = ["DeepLabResNet"]
