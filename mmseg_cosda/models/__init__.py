"""Networks, losses and segmentors, registered in the host."""

from __future__ import annotations

from mmseg_cosda.models.alignments import (
    AdversarialLoss,
    ClassWiseCosineLoss,
    EntropyLoss,
    FeatureDistanceLoss,
)
from mmseg_cosda.models.backbones import FCNVGG, DeepLabResNet
from mmseg_cosda.models.data_preprocessor import UDADataPreprocessor
from mmseg_cosda.models.decode_heads import DAFormerHead, DeepLabV2Head, FCN8sHead
from mmseg_cosda.models.discriminators import FCDiscriminator
from mmseg_cosda.models.phases import (
    ClassMixPhase,
    MaskedPhase,
    SourcePhase,
    TargetPhase,
)
from mmseg_cosda.models.reference import FrozenReference
from mmseg_cosda.models.segmentors import UDAEncoderDecoder
from mmseg_cosda.models.teacher import EMATeacher

__all__ = [
    "FCNVGG",
    "AdversarialLoss",
    "ClassMixPhase",
    "ClassWiseCosineLoss",
    "DAFormerHead",
    "DeepLabResNet",
    "DeepLabV2Head",
    "EMATeacher",
    "EntropyLoss",
    "FCDiscriminator",
    "FCN8sHead",
    "FeatureDistanceLoss",
    "FrozenReference",
    "MaskedPhase",
    "SourcePhase",
    "TargetPhase",
    "UDADataPreprocessor",
    "UDAEncoderDecoder",
]
