"""A queue that knows where its features came from."""

from __future__ import annotations

import torch
from torch import Tensor

from mmseg_cosda.models.memory import ClassFeatureQueue


class TracedQueue(ClassFeatureQueue):
    """A ``ClassFeatureQueue`` that remembers the push and the row of each feature.

    In the place of a loss's own queue it is filled by the training's own code: pushes
    are source images and rows are the pixels of a map, in raster order.

    Args:
        num_classes: C.
        capacity: Features kept per class.
        channels: K.
        dtype: Of the storage.

    Examples:
        >>> queue = TracedQueue(num_classes=2, capacity=2, channels=2)
        >>> for _ in range(2):  # the second push replaces the rows of the first
        ...     _ = queue.enqueue(torch.eye(3)[:, :2], torch.tensor([1, 255, 1]))
        >>> queue.origins()[1].tolist()
        [[1, 0], [1, 2]]
    """

    traces: Tensor

    def __init__(
        self,
        num_classes: int,
        capacity: int,
        channels: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(num_classes, capacity, channels, dtype)
        # One more row for what is not kept.
        traces = torch.zeros(num_classes * capacity + 1, 2, dtype=torch.int64)
        self.register_buffer("traces", traces)

    @classmethod
    def like(cls, queue: ClassFeatureQueue) -> TracedQueue:
        """Return an empty traced queue of another's sizes and dtype."""
        dtype = queue.as_tensors()[0].dtype
        return cls(queue.num_classes, queue.capacity, queue.channels, dtype)

    def origins(self) -> Tensor:
        """Return the origin of each feature.

        Returns:
            (C, Q, 2) int64: the number of its push, from 0 on, and its row in that
            push; valid where ``as_tensors`` is.
        """
        return self.traces[:-1].view(self.num_classes, self.capacity, 2)

    @torch.no_grad()
    def enqueue(
        self,
        features: Tensor,
        labels: Tensor,
        limit: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Append features as ``ClassFeatureQueue`` does, and note their origins."""
        push = self.pushes.clone()
        places = super().enqueue(features, labels, limit, generator)
        rows = torch.arange(len(labels), device=labels.device)
        traces = torch.stack([push.expand(len(rows)), rows], dim=1)
        self.traces.index_copy_(0, places, traces)
        return places
