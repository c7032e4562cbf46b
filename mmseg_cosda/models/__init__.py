"""Networks, losses and segmentors, registered in the host."""

from __future__ import annotations

from mmseg_cosda.models.alignments import (
    AdversarialLoss,
    ClassWiseCosineLoss,
    EntropyLoss,
)
from mmseg_cosda.models.backbones import FCNVGG, DeepLabResNet
from mmseg_cosda.models.data_preprocessor import UDADataPreprocessor
from mmseg_cosda.models.decode_heads import DeepLabV2Head, FCN8sHead
from mmseg_cosda.models.discriminators import FCDiscriminator
from mmseg_cosda.models.phases import SourcePhase, TargetPhase
from mmseg_cosda.models.segmentors import UDAEncoderDecoder

__all__ = [
    "FCNVGG",
    "AdversarialLoss",
    "ClassWiseCosineLoss",
    "DeepLabResNet",
    "DeepLabV2Head",
    "EntropyLoss",
    "FCDiscriminator",
    "FCN8sHead",
    "SourcePhase",
    "TargetPhase",
    "UDADataPreprocessor",
    "UDAEncoderDecoder",
]
