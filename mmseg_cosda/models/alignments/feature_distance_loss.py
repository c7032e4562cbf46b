"""Distance of the source's features from those of the frozen initial network."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import torch
import torch.distributed as dist
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.taps import parse_tap
from mmseg_cosda.option_checks import require_numbers

THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)
"""The things of Cityscapes' 19 classes: light, sign, person, ..., bicycle."""


def dominant_classes(
    labels: Tensor, size: tuple[int, int], num_classes: int, min_share: float
) -> Tensor:
    """Find the class that fills most of each cell of a feature map.

    Cell (i, j) holds the label pixels (y, x) with floor(y h / H) = i and
    floor(x w / W) = j. Where the map's size divides the label's, as it does for a crop
    of 512 and a map of 16, that is the public code's average pooling of one-hot labels
    with kernel = stride = W / w; elsewhere no pixel is left out or counted twice.
    Pixels without a class, ignored ones and padding, are together a class of their own.

    Args:
        labels: (B, H, W) int64; whatever is outside [0, C) has no class.
        size: (h, w) of the map.
        num_classes: C.
        min_share: Smallest share of a cell's pixels that the class must have, (0, 1].

    Returns:
        (B, h, w) int64: the class, or C where none fills so much of the cell.

    Examples:
        >>> labels = torch.tensor([[[0, 0, 1, 9], [0, 2, 1, 1]]])
        >>> dominant_classes(labels, (1, 2), num_classes=3, min_share=0.75)
        tensor([[[0, 1]]])
        >>> dominant_classes(labels, (1, 2), num_classes=3, min_share=0.8)
        tensor([[[3, 3]]])
    """
    images, height, width = labels.shape
    rows = torch.arange(height, device=labels.device) * size[0] // height
    columns = torch.arange(width, device=labels.device) * size[1] // width
    cell = rows[:, None] * size[1] + columns  # (H, W)
    known = (labels >= 0) & (labels < num_classes)
    bins = num_classes + 1
    index = (cell * bins + torch.where(known, labels, num_classes)).flatten(1)
    counts = torch.zeros(images, size[0] * size[1] * bins, device=labels.device)
    # Counts of ones are exact in float32.
    counts.scatter_add_(1, index, torch.ones_like(index, dtype=counts.dtype))
    counts = counts.view(images, *size, bins)
    largest, winner = counts.max(dim=-1)
    # 15 of 25 are 0.6 in float32 too; 0.6 of 25 are more than 15 there.
    filled = largest / counts.sum(dim=-1) >= min_share
    return torch.where(filled, winner, num_classes)


@MODELS.register_module()
class FeatureDistanceLoss(BaseAlignment):
    r"""Keep what the backbone knew before training about the things of the source.

    .. math::
        L_{FD} = \lambda \frac{1}{|S|} \sum_{i \in S}
            \| f_\theta(x^s)_i - f_{frozen}(x^s)_i \|_2

    where S are the cells i of the feature map, of the whole batch and all processes,
    that one of ``classes`` fills by at least ``min_share``; without any, zero.
    f_frozen is ``model.reference``, the network as its pretrained weights made it.
    Source images alone have the labels that this needs. Gradients flow into f_theta.

    Args:
        num_classes: C; in a segmentor's config it defaults to the decode head's.
        feature: Tap path of f; the backbone's last map, as in the public code.
        classes: Ids of the classes whose cells count. The default are Cityscapes' 10
            things: ImageNet knows things, and has no class such as road or sky.
        loss_weight: lambda; the public 0.005.
        min_share: Smallest share of a cell's pixels that its class must have, (0, 1];
            the public 0.75.

    Raises:
        ValueError: If an option is out of range, or a class isn't in [0, C).

    Source: Hoyer et al., DAFormer, 2022, section 3.3; weight, share and pooling as in
    its public code.

    Examples:
        >>> loss = FeatureDistanceLoss(num_classes=2, classes=[1], loss_weight=1.0)
        >>> loss.feature_paths, loss.reference_paths
        (('backbone[-1]',), ('backbone[-1]',))
    """

    def __init__(
        self,
        num_classes: int,
        feature: str = "backbone[-1]",
        classes: Sequence[int] = THINGS,
        loss_weight: float = 0.005,
        min_share: float = 0.75,
    ) -> None:
        super().__init__()
        owner = "FeatureDistanceLoss"
        parse_tap(feature)
        require_numbers(owner, 0, inf, loss_weight=loss_weight)
        require_numbers(owner, 0, 1, min_share=min_share)
        if not min_share:
            raise ValueError(
                f"{owner}: min_share=0 would take every cell; choose a share in (0, 1]"
            )
        check_classes(owner, classes, num_classes)
        self.num_classes = num_classes
        self.feature = feature
        self.feature_paths = self.reference_paths = (feature,)
        self.loss_weight = loss_weight
        self.min_share = min_share
        # Which of 0 to C - 1 count; C, no class, doesn't. Not a weight: not saved.
        counted = torch.zeros(num_classes + 1, dtype=torch.bool)
        counted[list(classes)] = True
        self.register_buffer("counted", counted, persistent=False)

    counted: Tensor

    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Return the distance of the source images' features.

        Args:
            domain: The source images, with ground truth and the reference's map.

        Returns:
            ``loss``, weighted, and ``selected``, the share of the cells that count.

        Raises:
            ValueError: If there is no ground truth or no reference, or its map has
                another shape.
        """
        ours, theirs = domain.features[self.feature], self._reference(domain)
        selected = self.selected(domain, (ours.shape[-2], ours.shape[-1]))
        wide = torch.promote_types(ours.dtype, torch.float32)
        difference = ours.to(wide) - theirs.to(wide)
        distance = torch.linalg.vector_norm(difference, dim=1)  # (B, h, w)
        total = torch.where(selected, distance, 0).sum()
        return {
            "loss": self.loss_weight * total / _cells_per_process(selected),
            "selected": selected.float().mean(),
        }

    def selected(self, domain: DomainBatch, size: tuple[int, int]) -> Tensor:
        """Tell which cells of a map of ``size`` (h, w) count, (B, h, w) bool."""
        labels = domain.labels
        if labels is None:
            raise ValueError("the feature distance needs ground truth on the source")
        if domain.pixels is not None:
            labels = torch.where(domain.pixels, labels, domain.ignore_index)
        winner = dominant_classes(labels, size, self.num_classes, self.min_share)
        return self.counted[winner]

    def _reference(self, domain: DomainBatch) -> Tensor:
        reference: Any = domain.reference.get(self.feature)
        if reference is None:
            raise ValueError(
                "FeatureDistanceLoss compares with a frozen network: give "
                'model.reference=dict(type="FrozenReference")'
            )
        ours = domain.features[self.feature]
        if reference.shape != ours.shape:
            raise ValueError(
                f"FeatureDistanceLoss: {self.feature!r} is {tuple(ours.shape)}, but "
                f"{tuple(reference.shape)} of model.reference; both must be of one "
                "network"
            )
        return reference.detach()


def check_classes(owner: str, classes: Sequence[int], num_classes: int) -> None:
    """Refuse classes that a network of ``num_classes`` doesn't have.

    Args:
        owner: Whose option they are, for the error.
        classes: Their ids.
        num_classes: C.

    Raises:
        ValueError: If there is none, or one isn't an integer in [0, C).
    """
    wrong = [c for c in classes if not isinstance(c, int) or not 0 <= c < num_classes]
    if wrong or not classes:
        what = f"{wrong} are no ids" if wrong else "names none"
        raise ValueError(
            f"{owner}: classes={list(classes)}: {what} of the decode head's "
            f"{num_classes} classes; name those that are things, by their ids in "
            f"[0, {num_classes - 1}]"
        )


def _cells_per_process(selected: Tensor) -> Tensor:
    """Return the number of selected cells of all processes over that of processes.

    Gradients are averaged over the processes, so that a sum divided by this is the
    mean over all cells, whichever process they are of. At least 1 in all.
    """
    count = selected.sum()
    if not (dist.is_available() and dist.is_initialized()):
        return count.clamp(min=1)
    dist.all_reduce(count)
    return count.clamp(min=1) / dist.get_world_size()
