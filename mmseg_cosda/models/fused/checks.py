"""What the cosine loss's inputs must look like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_features(
    features: Tensor,
    labels: Tensor,
    threshold: float,
    reduction: str,
    top_k: int | None,
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


def check_blocks(features: Tensor, blocks: Sequence[Tensor]) -> None:
    """Raise a ``ValueError`` unless each block (Q_c, K) fits the features (N, K)."""
    if not blocks:
        raise ValueError("blocks is empty: give one (Q_c, K) tensor per class")
    for c, block in enumerate(blocks):
        if block.ndim != 2 or block.shape[1] != features.shape[1]:
            raise ValueError(
                f"blocks[{c}] has shape {tuple(block.shape)}, expected (Q_c, "
                f"{features.shape[1]}), the channels of features"
            )
