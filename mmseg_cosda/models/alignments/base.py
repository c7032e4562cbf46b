"""What an alignment sees of a domain: tensors and nothing of the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class DomainBatch:
    """One domain's images of a step, as an alignment sees them.

    Args:
        features: Feature maps f by tap path, each (B, K, h, w), with graph.
        logits: The decode head's output p before upsampling, (B, C, h', w').
        labels: Ground truth or pseudo-labels, (B, H, W) int64; None without.
        image_size: (H, W) of the network's input, pixels.
        align_corners: How the decode head's logits are upsampled.
        ignore_index: The label that no class has.
        step_seed: A function of (run seed, iteration), the same on all ranks;
            whatever is random in a step is derived from it, the rank and the image,
            so that resuming is exact.
    """

    features: Mapping[str, Tensor]
    logits: Tensor
    labels: Tensor | None
    image_size: tuple[int, int]
    align_corners: bool
    ignore_index: int
    step_seed: int = 0


@runtime_checkable
class Alignment(Protocol):
    """A registered module that aligns the target domain with the source domain.

    Keys of the returned dicts that contain "loss" are summed by the host and
    trained on; diagnostics never contain the word.
    """

    feature_paths: tuple[str, ...]

    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """See the source images of a step, before its target images."""
        ...

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """See the target images of a step and return their losses."""
        ...
