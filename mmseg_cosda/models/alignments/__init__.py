"""Alignments of the target domain with the source domain."""

from __future__ import annotations

from mmseg_cosda.models.alignments.adversarial_loss import AdversarialLoss
from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.alignments.class_wise_cosine_loss import ClassWiseCosineLoss
from mmseg_cosda.models.alignments.entropy_loss import EntropyLoss
from mmseg_cosda.models.alignments.feature_distance_loss import FeatureDistanceLoss

__all__ = [
    "AdversarialLoss",
    "BaseAlignment",
    "ClassWiseCosineLoss",
    "DomainBatch",
    "EntropyLoss",
    "FeatureDistanceLoss",
]
