"""What the cosine loss's tensors must look like; imports torch alone."""

from __future__ import annotations

import torch
from torch import Tensor


def check_features(
    features: Tensor, labels: Tensor, threshold: float, reduction: str
) -> None:
    """Raise a ``ValueError`` unless rows, classes and options are as documented."""
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"features of shape {tuple(features.shape)} and {features.dtype}: expected "
            "floating-point rows (N, K)"
        )
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)}: expected ({len(features)},), one "
            "for each row of features"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels of {labels.dtype}: expected integers")
    if not -1 <= threshold <= 1:
        raise ValueError(
            f"threshold={threshold} is no cosine similarity, choose a value in [-1, 1]"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r}, choose 'mean' or 'sum'")


def check_top_k(top_k: int | None) -> None:
    """Raise a ``ValueError`` unless top_k is a positive integer or None."""
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise ValueError(
            f"top_k={top_k!r} must be a positive integer, or None for all pairs"
        )


def check_queue(features: Tensor, queue: Tensor, counts: Tensor) -> None:
    """Raise a ``ValueError`` unless the queue (C, Q, K) fits the features (N, K)."""
    if queue.ndim != 3 or queue.shape[2] != features.shape[1] or len(queue) == 0:
        raise ValueError(
            f"queue of shape {tuple(queue.shape)}: expected (C, Q, "
            f"{features.shape[1]}), the channels of features last"
        )
    if not queue.is_floating_point():
        raise ValueError(f"queue of {queue.dtype}: expected floating point")
    if counts.shape != queue.shape[:1] or counts.is_floating_point():
        raise ValueError(
            f"counts of shape {tuple(counts.shape)} and {counts.dtype}: expected "
            f"integers ({len(queue)},), one for each class"
        )
