"""What the cosine loss remembers of the source domain (process A)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.dist import get_rank
from torch import Tensor, nn

from mmseg_cosda.engine.distributed import gather_rows
from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.cosine_taps import CosineTap
from mmseg_cosda.models.alignments.domain_rows import map_rows, unit_blocks, unit_rows
from mmseg_cosda.models.alignments.feature_mean import FeatureMean
from mmseg_cosda.models.functional import split_source
from mmseg_cosda.models.memory import ClassFeatureQueue, random_subset
from mmseg_cosda.randomness import derive_seed


class SourceMemory(nn.Module):
    """Source features of each tap: queues, or the current images' where there are none.

    Args:
        num_classes: C.
        taps: The feature maps by name.
        queue_size: Features kept per class.
        use_queue: Whether there are queues.
        class_wise: Whether features are split by class; without, there is no queue.
        enqueue_limit: At most so many random features per class and image enter, None
            for all.
        queue_dtype: Of the queues' storage.
        centering: Whether features are centred by the source's running mean.
    """

    def __init__(
        self,
        num_classes: int,
        taps: Mapping[str, CosineTap],
        queue_size: int,
        use_queue: bool,
        class_wise: bool,
        enqueue_limit: int | None,
        queue_dtype: torch.dtype,
        centering: bool,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.taps = taps
        self.class_wise = class_wise
        self.use_queue = use_queue and class_wise
        self.enqueue_limit = enqueue_limit
        # What is off has no buffers: checkpoints carry what is used alone.
        self.queues, self.means = nn.ModuleDict(), nn.ModuleDict()
        for name, tap in self.taps.items():
            if self.use_queue:
                self.queues[name] = ClassFeatureQueue(
                    num_classes, queue_size, tap.channels, queue_dtype
                )
            if centering:
                self.means[name] = FeatureMean(tap.channels)
        # Blocks of the current source images, by tap: what the queue replaces.
        self._current: dict[str, list[list[Tensor]]] = {}

    @property
    def feature_paths(self) -> tuple[str, ...]:
        """Tap paths that the segmentor records."""
        return tuple(tap.feature for tap in self.taps.values())

    @torch.no_grad()
    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Remember the source features (process A, eq. 6).

        Args:
            domain: The source images with ground truth.

        Returns:
            The mean fill of the queues, in [0, 1].
        """
        if domain.labels is None:
            raise ValueError("the cosine loss needs ground truth on the source")
        predictions = domain.logits.argmax(dim=1)
        for name, tap in self.taps.items():
            feature = self.feature(name, domain, update_mean=True)
            labels = split_source(
                tap.resize(predictions, feature, domain.ignore_index),
                tap.resize(domain.labels, feature, domain.ignore_index),
                domain.ignore_index,
            )
            if self.use_queue:
                self._enqueue(name, feature, labels, domain.step_seed)
            else:
                self._current[name] = [
                    unit_blocks(each, label, self.num_classes)
                    if self.class_wise
                    else [unit_rows(each)]
                    for each, label in zip(feature, labels, strict=True)
                ]
        if not self.use_queue:
            return {}
        fills = [fill.mean() for fill in self._fills().values()]
        return {"queue_fill": torch.stack(fills).mean()}

    def report(self) -> dict[str, Tensor]:
        """Return figures of each class's queue, (C,) each.

        Returns:
            Per tap its fill, in [0, 1], and the mean age of its features, in pushes
            (source images of each process).
        """
        figures = {f"queue_fill_{name}": fill for name, fill in self._fills().items()}
        for name in self.queues:
            figures[f"queue_age_{name}"] = self.queue(name).ages()
        return figures

    def feature(
        self, name: str, domain: DomainBatch, update_mean: bool = False
    ) -> Tensor:
        """Return a tap's map (B, K, h, w), centred if features are."""
        tap = self.taps[name]
        feature = tap.checked(domain.features[tap.feature], name)
        if name not in self.means:
            return feature
        mean = self.means[name]
        assert isinstance(mean, FeatureMean)  # what __init__ has put there
        if update_mean:
            mean.update(feature)
        return mean.centre(feature)

    def queue(self, name: str) -> ClassFeatureQueue:
        """Return a tap's queue."""
        queue = self.queues[name]
        assert isinstance(queue, ClassFeatureQueue)  # what __init__ has put there
        return queue

    def replace_queue(self, name: str, queue: ClassFeatureQueue) -> None:
        """Put another queue in the place of a tap's, such as one that traces rows."""
        self.queues[name] = queue

    def _fills(self) -> dict[str, Tensor]:
        queues = {name: self.queue(name) for name in self.queues}
        return {name: queue.counts / queue.capacity for name, queue in queues.items()}

    def _enqueue(
        self, name: str, feature: Tensor, labels: Tensor, step_seed: int
    ) -> None:
        """Enqueue the images of all ranks in order, the same on each rank."""
        first = get_rank() * len(feature)
        for index, rows in enumerate(map_rows(feature)):
            label = labels[index].flatten()
            if self.enqueue_limit is not None:
                generator = torch.Generator(feature.device)
                generator.manual_seed(derive_seed(step_seed, first + index))
                label = random_subset(
                    label, self.num_classes, self.enqueue_limit, generator
                )
            self.queue(name).enqueue(*gather_rows(rows, label, self.num_classes))
