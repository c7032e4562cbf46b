"""A domain's maps as rows with a class each (process A and B)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.cosine_taps import CosineTap
from mmseg_cosda.models.functional import augment_pseudo_labels


def map_rows(feature: Tensor) -> Tensor:
    """View maps (B, K, h, w) as rows (B, h * w, K), in raster order."""
    return feature.flatten(2).transpose(1, 2)


def split_target(
    domain: DomainBatch, predictions: Tensor, tap: CosineTap, feature: Tensor
) -> Tensor:
    """Return the class of each target pixel of a map (process B), (B, h, w).

    Args:
        domain: The target images, with or without pseudo-labels.
        predictions: Their predicted classes, (B, h', w').
        tap: Where the map comes from.
        feature: The map, (B, K, h, w).
    """
    labels = tap.resize(predictions, feature, domain.ignore_index)
    if domain.labels is None:
        return labels
    return augment_pseudo_labels(
        tap.resize(domain.labels, feature, domain.ignore_index),
        labels,
        domain.ignore_index,
    )


def unit_blocks(feature: Tensor, labels: Tensor, num_classes: int) -> list[Tensor]:
    """Split one image's unit features by class.

    Args:
        feature: (K, h, w).
        labels: (h, w); pixels outside [0, C) are left out.
        num_classes: C.

    Returns:
        (n_c, K) of unit norm, for each class.
    """
    rows, flat = unit_rows(feature), labels.flatten()
    return [rows[flat == c] for c in range(num_classes)]


def unit_rows(feature: Tensor) -> Tensor:
    """Return one image's features (K, h, w) as rows (h * w, K) of unit norm."""
    return F.normalize(map_rows(feature[None])[0].float(), dim=1)
