"""The paper's dictionary D: the newest source features of each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_cosda.models.fused.primitives import sort_by_class, take_rows

# Of the rows written at once on a CPU: 1 MiB in float32, which a cache holds.
_PUSH_ELEMENTS = 2**18


class ClassFeatureQueue(nn.Module):
    """First-in-first-out queue of unit-norm features for each class (section 3.2).

    It starts empty and serves only what has been enqueued. Rings of fixed size are
    allocated once and written in place with one scatter per push, without a host
    sync; all of it is in the state dict.

    Args:
        num_classes: C.
        capacity: Features kept per class, the paper's dict-size (2,500 for
            DeepLabV2, 2,000 for FCN-8s).
        channels: K, 2,048 for DeepLabV2-ResNet101.
        dtype: Of the storage, which takes C * capacity * K elements. float16 halves
            it, at an error of about 4e-6 in the loss.

    Raises:
        ValueError: If a size is not positive or the dtype not floating point.

    Source: section 3.2 of the paper, process A.

    Examples:
        >>> import torch
        >>> queue = ClassFeatureQueue(num_classes=2, capacity=2, channels=2)
        >>> places = queue.enqueue(torch.eye(2) * 3, torch.tensor([1, 255]))
        >>> places.tolist()  # the first of class 1; no place
        [2, 4]
        >>> features, counts = queue.as_tensors()
        >>> counts.tolist(), features[1, : counts[1]].tolist()
        ([0, 1], [[1.0, 0.0]])
    """

    storage: Tensor
    counts: Tensor
    heads: Tensor
    stamps: Tensor
    pushes: Tensor

    def __init__(
        self,
        num_classes: int,
        capacity: int,
        channels: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes = {"num_classes": num_classes, "capacity": capacity, "channels": channels}
        for key, value in sizes.items():
            if value < 1:
                raise ValueError(f"ClassFeatureQueue: {key}={value} must be positive")
        if not dtype.is_floating_point:
            raise ValueError(
                f"ClassFeatureQueue: dtype={dtype} must be floating point, such as "
                "torch.float32 or torch.float16"
            )
        self.num_classes = num_classes
        self.capacity = capacity
        self.channels = channels
        # One more row swallows what is not kept, so that a push has a fixed shape.
        rows = num_classes * capacity + 1
        self.register_buffer("storage", torch.zeros(rows, channels, dtype=dtype))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64))
        # The place that each class's next feature takes.
        self.register_buffer("heads", torch.zeros(num_classes, dtype=torch.int64))
        # The push that each row entered with, and their number.
        self.register_buffer("stamps", torch.zeros(rows, dtype=torch.int64))
        self.register_buffer("pushes", torch.zeros((), dtype=torch.int64))

    def as_tensors(self) -> tuple[Tensor, Tensor]:
        """Return the features and how many of each class are valid.

        Returns:
            Views of the storage, not copies: the queue (C, Q, K), in which the first
            ``counts[c]`` rows of class c are valid, in any order, and the rest is
            zero; and the counts, (C,) int64.
        """
        shape = (self.num_classes, self.capacity, self.channels)
        return self.storage[:-1].view(shape), self.counts

    def ages(self) -> Tensor:
        """Return the mean age of each class's features, in pushes.

        Returns:
            (C,) float32: 0 where all came with the last push (one image of each
            process), NaN for a class without features.
        """
        places = torch.arange(self.capacity, device=self.counts.device)
        valid = places < self.counts[:, None]
        stamps = self.stamps[:-1].view(self.num_classes, self.capacity)
        ages = torch.where(valid, self.pushes - stamps, 0).sum(dim=1)
        return ages / self.counts  # 0 / 0 is NaN

    @torch.no_grad()
    def reset(self) -> None:
        """Empty the queue."""
        for buffer in self.buffers():
            buffer.zero_()

    @torch.no_grad()
    def enqueue(
        self,
        features: Tensor,
        labels: Tensor,
        limit: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Append features to their classes' queues; the oldest make room.

        Takes O(N K) time, whatever the queue's size, and on a CPU some MiB of extra
        memory, elsewhere that of the features. Neither a gradient nor a reference to
        the features is kept.

        Args:
            features: Source features, (N, K) of any norm and floating dtype, the
                oldest first. Rows of a map (K, h, w) may come as the view
                ``map.flatten(1).t()``.
            labels: Class of each row, (N,) integers; rows outside [0, C) are ignored.
                So are features that hold NaN or infinity: one would make its class's
                loss NaN until it leaves the queue.
            limit: At most this many random features of each class enter, in their
                order; None, the paper's, enqueues all.
            generator: The source of that choice, on the features' device; None for
                torch's own.

        Returns:
            The place that each row has taken in the queue seen as C * capacity rows,
            (N,) int64; C * capacity for the rows that are not kept.

        Raises:
            ValueError: If a shape or dtype is wrong or the limit is not positive.
        """
        self._check(features, labels, limit)
        labels = torch.where(_finite_rows(features), labels, -1)
        if limit is not None:
            labels = random_subset(labels, self.num_classes, limit, generator)
        slots = self._advance(labels)
        if features.device.type == "cpu":  # elsewhere the free shape costs a sync
            kept = (slots < self.num_classes * self.capacity).nonzero().squeeze(1)
            for rows in torch.split(kept, max(1, _PUSH_ELEMENTS // self.channels)):
                self._write(slots[rows], take_rows(features, rows))
        else:
            self._write(slots, features)
            self.storage[-1].zero_()  # what is not kept may be no number
        return slots

    def _advance(self, labels: Tensor) -> Tensor:
        """Move the heads and return each row's place, the last for those not kept."""
        C, Q = self.num_classes, self.capacity
        order = sort_by_class(labels, C)
        classes = order.classes.long()
        # Rows of no class read a class C, of no rows.
        size, head = (F.pad(x, (0, 1))[classes] for x in (order.sizes, self.heads))
        rank = torch.arange(len(labels), device=labels.device) - order.starts[classes]
        kept = (rank < size) & (rank >= size - Q)
        place = classes * Q + (head + rank) % Q
        self.heads.copy_((self.heads + order.sizes) % Q)
        self.counts.copy_((self.counts + order.sizes).clamp(max=Q))
        places = torch.empty_like(place)
        places.scatter_(0, order.rows, torch.where(kept, place, C * Q))
        self.pushes.add_(1)
        self.stamps.index_copy_(0, places, self.pushes.expand(len(places)))
        return places

    def _write(self, slots: Tensor, features: Tensor) -> None:
        """Write unit vectors to their places; normalized in at least float32."""
        wide = torch.promote_types(features.dtype, torch.float32)
        unit = F.normalize(features.to(wide).contiguous(), dim=1)
        self.storage.index_copy_(0, slots, unit.to(self.storage.dtype))

    def _check(self, features: Tensor, labels: Tensor, limit: int | None) -> None:
        if features.ndim != 2 or features.shape[1] != self.channels:
            raise ValueError(
                f"features of shape {tuple(features.shape)}: expected (N, "
                f"{self.channels}), the queue's channels"
            )
        if not features.is_floating_point():
            raise ValueError(f"features of {features.dtype}: expected floating point")
        if labels.shape != features.shape[:1]:
            raise ValueError(
                f"labels of shape {tuple(labels.shape)}: expected "
                f"({len(features)},), one for each row of features"
            )
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise ValueError(f"labels of {labels.dtype}: expected integers")
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit} must be positive, or None for all")


def _finite_rows(features: Tensor) -> Tensor:
    """Return which rows hold no NaN or infinity, (N,) bool, without a copy of them."""
    # Either makes a sum that isn't finite; of all reductions the fastest.
    wide = torch.promote_types(features.dtype, torch.float32)
    return features.sum(dim=1, dtype=wide).isfinite()


def random_subset(
    labels: Tensor, num_classes: int, limit: int, generator: torch.Generator | None
) -> Tensor:
    """Return the labels with all but ``limit`` random rows of each class ignored."""
    keys = torch.rand(len(labels), generator=generator, device=labels.device)
    shuffled = keys.argsort(stable=True)
    order = sort_by_class(labels[shuffled], num_classes)
    start = order.starts[order.classes.long()]
    rank = torch.arange(len(labels), device=labels.device) - start
    kept = torch.where(rank < limit, order.classes, num_classes)
    return torch.empty_like(kept).scatter_(0, shuffled[order.rows], kept)
