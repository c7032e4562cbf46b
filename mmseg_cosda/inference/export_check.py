"""Does an exported net compute what the trained one does?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmseg_cosda.errors import UserError

SIZE = (128, 160)
"""(H, W) of the picture that is tried: small, and of maps that are not square."""


def random_picture(height: int, width: int, count: int = 1) -> Tensor:
    """Return pictures of noise, (count, 3, H, W) float32, whole numbers of 0..255.

    The global random state is neither read nor changed.
    """
    generator = torch.Generator().manual_seed(0)
    size = (count, 3, height, width)
    return torch.randint(256, size, generator=generator).float()


@torch.inference_mode()
def logits_of(model: Any, image: Tensor) -> Tensor:
    """Return the head's logits of pictures (N, 3, H, W), with the preprocessor's."""
    batch = {"inputs": list(image), "data_samples": None}
    return model(model.data_preprocessor(batch, False)["inputs"], mode="tensor")


def require_same_logits(one: Any, other: Any) -> None:
    """Check that two segmentors give the same logits, bit for bit.

    Args:
        one: The trained net, in eval mode.
        other: The exported one.

    Raises:
        UserError: If they don't.
    """
    image = random_picture(*SIZE)
    found, expected = logits_of(other, image), logits_of(one, image)
    if not torch.equal(found, expected):
        raise UserError(
            f"{type(one).__name__} predicts otherwise than the host's "
            f"{type(other).__name__} with its weights, so that it can't be exported: "
            "it changes what the host's segmentor computes"
        )
