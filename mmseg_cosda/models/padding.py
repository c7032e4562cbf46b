"""Which pixels of a batch are an image's own, and which are padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def unpadded_pixels(samples: Sequence[Any], images: Tensor) -> Tensor | None:
    """Tell which pixels of a batch are an image's own.

    Args:
        samples: The ``SegDataSample`` of each image; the host's preprocessor notes
            in ``padding_size`` how much it added on the left, right, top and bottom.
        images: The batch, (B, 3, H, W).

    Returns:
        (B, H, W) bool on the images' device; None if nothing was added.
    """
    added = [tuple(s.metainfo.get("padding_size") or (0, 0, 0, 0)) for s in samples]
    if not any(any(each) for each in added):
        return None
    height, width = images.shape[-2:]
    own = torch.zeros(len(added), height, width, dtype=torch.bool)
    for mask, (left, right, top, bottom) in zip(own, added, strict=True):
        mask[top : height - bottom, left : width - right] = True
    return own.to(images.device)
