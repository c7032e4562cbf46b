"""What the cosine loss compares target features with: one object per mode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.cosine_tap import NO_PIXEL, CosineTap, map_rows
from mmseg_cosda.models.alignments.gather import gather_rows
from mmseg_cosda.models.alignments.unsplit_target import cosine_loss_to_all_classes
from mmseg_cosda.models.functional import (
    MatchStatistics,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
)
from mmseg_cosda.models.memory import ClassFeatureQueue, random_subset
from mmseg_cosda.randomness import derive_seed


class SourceMemory(ABC):
    """Source features of each tap, as the target's are compared with them.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        # By tap. What is off has no buffers: checkpoints carry what is used alone.
        self.queues = nn.ModuleDict()

    @abstractmethod
    def remember(
        self, name: str, feature: Tensor, labels: Tensor, domain: DomainBatch
    ) -> None:
        """Take in the source images of a step (process A, eq. 6).

        Args:
            name: The tap.
            feature: Its map, (B, K, h, w).
            labels: The class of each correctly classified pixel, (B, h, w); pixels
                outside [0, C) are left out.
            domain: The images that the map is of.
        """

    @abstractmethod
    def compare(
        self,
        name: str,
        image: int,
        features: Tensor,
        labels: Tensor,
        tap: CosineTap,
        reduction: str,
        top_k: int | None,
    ) -> tuple[Tensor, MatchStatistics]:
        """Return eq. 10 of one target image, and what was matched.

        Args:
            name: The tap.
            image: Index of the image in its batch.
            features: T, (N, K), with graph.
            labels: The class of each row, (N,).
            tap: For its T_cos.
            reduction: "mean" or "sum" over the selected pairs of a class.
            top_k: At most this many pairs of each row; None for all.

        Returns:
            The loss, unweighted, and the statistics.
        """

    @abstractmethod
    def end_step(self) -> None:
        """Drop what belongs to this step's source images alone."""

    def queue(self, name: str) -> ClassFeatureQueue:
        """Return a tap's queue."""
        queue = self.queues[name]
        assert isinstance(queue, ClassFeatureQueue)  # what __init__ has put there
        return queue


class QueuedSource(SourceMemory):
    """The dictionary D: a queue per class with the newest source features.

    Args:
        num_classes: C.
        taps: The feature maps by name.
        capacity: Features kept per class.
        dtype: Of the queues' storage.
        limit: At most this many random features per class and image enter, None for
            all.
    """

    def __init__(
        self,
        num_classes: int,
        taps: Mapping[str, CosineTap],
        capacity: int,
        dtype: torch.dtype,
        limit: int | None,
    ) -> None:
        super().__init__(num_classes)
        self.limit = limit
        for name, tap in taps.items():
            self.queues[name] = ClassFeatureQueue(
                num_classes, capacity, tap.channels, dtype
            )

    def remember(
        self, name: str, feature: Tensor, labels: Tensor, domain: DomainBatch
    ) -> None:
        """Enqueue the images of all processes in order, the same on each."""
        for index, rows in enumerate(map_rows(feature)):
            label = labels[index].flatten()
            if self.limit is not None:
                generator = torch.Generator(feature.device)
                image = domain.first_image + index
                generator.manual_seed(derive_seed(domain.step_seed, image))
                label = random_subset(label, self.num_classes, self.limit, generator)
            self.queue(name).enqueue(*gather_rows(rows, label, self.num_classes))

    def compare(
        self,
        name: str,
        image: int,
        features: Tensor,
        labels: Tensor,
        tap: CosineTap,
        reduction: str,
        top_k: int | None,
    ) -> tuple[Tensor, MatchStatistics]:
        """Compare each row with the queue of its class."""
        return class_wise_cosine_loss_with_statistics(
            features,
            labels,
            *self.queue(name).as_tensors(),
            tap.threshold,
            reduction,
            queue_is_normalized=True,
            top_k=top_k,
        )

    def end_step(self) -> None:
        """Keep everything: the queues outlive the step."""


class QueuedSourceOfAllClasses(QueuedSource):
    """The dictionary D, of which each target feature sees the queues of all classes."""

    def compare(
        self,
        name: str,
        image: int,
        features: Tensor,
        labels: Tensor,
        tap: CosineTap,
        reduction: str,
        top_k: int | None,
    ) -> tuple[Tensor, MatchStatistics]:
        """Compare each row with all queues."""
        return cosine_loss_to_all_classes(
            features,
            labels,
            *self.queue(name).as_tensors(),
            tap.threshold,
            reduction,
            top_k=top_k,
        )


class CurrentSource(SourceMemory):
    """No dictionary: target image i meets source image i of the same step alone.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        # By tap, for each image (Q_c, K) of unit norm for each class.
        self._blocks: dict[str, list[list[Tensor]]] = {}

    def remember(
        self, name: str, feature: Tensor, labels: Tensor, domain: DomainBatch
    ) -> None:
        """Keep the step's images, split by class."""
        self._blocks[name] = [
            _split(_unit_rows(each), label.flatten(), self.num_classes)
            for each, label in zip(feature, labels, strict=True)
        ]

    def compare(
        self,
        name: str,
        image: int,
        features: Tensor,
        labels: Tensor,
        tap: CosineTap,
        reduction: str,
        top_k: int | None,
    ) -> tuple[Tensor, MatchStatistics]:
        """Compare each row with the source image's features of its class.

        Raises:
            ValueError: If the step's source images have not been seen.
        """
        if name not in self._blocks:
            raise ValueError(
                "the cosine loss without a queue needs on_source before on_target"
            )
        return class_wise_cosine_loss_from_blocks(
            features,
            labels,
            self._blocks[name][image],
            tap.threshold,
            reduction,
            top_k=top_k,
        )

    def end_step(self) -> None:
        """Drop the step's images."""
        self._blocks.clear()


class UnsplitCurrentSource(CurrentSource):
    """Neither dictionary nor classes: all of source image i meet all of target i."""

    def remember(
        self, name: str, feature: Tensor, labels: Tensor, domain: DomainBatch
    ) -> None:
        """Keep the step's images, each as one class."""
        rows = [_unit_rows(each) for each in feature]
        if domain.pixels is not None:
            own = [label.flatten() != NO_PIXEL for label in labels]
            rows = [each[mask] for each, mask in zip(rows, own, strict=True)]
        self._blocks[name] = [[each] for each in rows]

    def compare(
        self,
        name: str,
        image: int,
        features: Tensor,
        labels: Tensor,
        tap: CosineTap,
        reduction: str,
        top_k: int | None,
    ) -> tuple[Tensor, MatchStatistics]:
        """Compare each row, of whatever class, with all of the source image's."""
        one_class = torch.where(labels == NO_PIXEL, NO_PIXEL, 0)
        return super().compare(name, image, features, one_class, tap, reduction, top_k)


def _unit_rows(feature: Tensor) -> Tensor:
    """Return one image's features (K, h, w) as rows (h * w, K) of unit norm."""
    return F.normalize(map_rows(feature[None])[0].float(), dim=1)


def _split(rows: Tensor, labels: Tensor, num_classes: int) -> list[Tensor]:
    return [rows[labels == c] for c in range(num_classes)]
