"""One image through a segmentor, as its alignments see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.segmentors.head_losses import stack_labels


@torch.no_grad()
def see_source(
    model: Any, sample: dict[str, Any], paths: Iterable[str], seed: int
) -> DomainBatch:
    """Forward a source image.

    Args:
        model: A ``UDAEncoderDecoder`` in eval mode.
        sample: Of the source's training pipeline, with ground truth.
        paths: Tap paths.
        seed: Of what is random in a step.
    """
    preprocessor = getattr(model.data_preprocessor, "source", model.data_preprocessor)
    batch = preprocessor(pseudo_collate([sample]), True)
    labels = stack_labels(batch["data_samples"], "source")
    found: DomainBatch = model.see(batch["inputs"], labels, paths=paths, step_seed=seed)
    return found


@torch.no_grad()
def see_target(
    model: Any,
    sample: dict[str, Any],
    paths: Iterable[str],
    pseudo_label: Tensor | None = None,
) -> DomainBatch:
    """Forward a target image.

    Args:
        model: A ``UDAEncoderDecoder`` in eval mode.
        sample: Of the test pipeline; its ground truth is not looked at.
        paths: Tap paths.
        pseudo_label: What the image is trained with, (H, W); None for none.
    """
    batch = model.data_preprocessor(pseudo_collate([sample]), False)
    labels = None if pseudo_label is None else pseudo_label[None].long()
    found: DomainBatch = model.see(batch["inputs"], labels, paths=paths)
    return found


def picture_of(sample: dict[str, Any]) -> Any:
    """Return a packed sample's image for the eye.

    Args:
        sample: With ``inputs``, (3, H, W) BGR of 8 bits, as the host loads it.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    image = sample["inputs"].float().round().clamp(0, torch.iinfo(torch.uint8).max)
    return image.to(torch.uint8).permute(1, 2, 0).flip(-1).contiguous().numpy()
