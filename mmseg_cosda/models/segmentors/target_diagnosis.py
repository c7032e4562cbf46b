"""One labelled target image through a segmentor, for diagnosis alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmseg_cosda.models.class_similarity import UnitSums, unit_sums
from mmseg_cosda.models.functional import resize_labels
from mmseg_cosda.models.matching import MatchSums
from mmseg_cosda.models.segmentors.domain_forward import alignment_paths
from mmseg_cosda.models.segmentors.head_losses import stack_labels


class Diagnosis(NamedTuple):
    """What was found on some images.

    Args:
        features: Sums of the unit features of each true class.
        matches: What each alignment's maps select, by "<alignment>.<map>".
    """

    features: UnitSums
    matches: Mapping[str, MatchSums]

    def __add__(self, other: object) -> Diagnosis:
        """Pool the images of both."""
        if not isinstance(other, Diagnosis):
            return NotImplemented
        matches = {key: x + other.matches[key] for key, x in self.matches.items()}
        return Diagnosis(self.features + other.features, matches)


@torch.no_grad()
def diagnose(
    model: Any, data: dict[str, Any], feature: str, pseudo_labels: Tensor | None = None
) -> Diagnosis:
    """Diagnose a segmentor on one labelled batch of the target domain.

    Args:
        model: A ``UDAEncoderDecoder``, in the mode (train or eval) that it is in.
        data: A collated batch with ground truth, as for the host's ``test_step``.
        feature: Tap path of the map whose similarities within and between classes
            are measured, such as "backbone[-1]".
        pseudo_labels: What the images are trained with, (B, H, W); None for none.

    Returns:
        Sums and counts, to be added up over batches.

    Raises:
        ValueError: If the images have no ground truth.
    """
    batch = model.data_preprocessor(data, False)
    truth = stack_labels(batch["data_samples"], "diagnosed")
    if truth is None:
        raise ValueError("the diagnosed images have no ground truth")
    domain = model.see(
        batch["inputs"],
        None if pseudo_labels is None else pseudo_labels.to(truth),
        paths=[feature, *alignment_paths(model)],
    )
    maps = domain.features[feature]
    labels = resize_labels(truth, (maps.shape[-2], maps.shape[-1]))
    rows = maps.flatten(2).transpose(1, 2).flatten(0, 1)
    sums = unit_sums(rows, labels.flatten(), model.num_classes)
    matches = {
        f"{name}.{key}": counts
        for name, each in model.alignments.items()
        for key, counts in each.diagnose(domain, truth).items()
    }
    return Diagnosis(UnitSums(*(x.cpu() for x in sums)), matches)
