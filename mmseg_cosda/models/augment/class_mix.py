"""ClassMix: half of an image's classes, to be pasted over another image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def draw_class_keys(num_classes: int, rngs: Sequence[np.random.Generator]) -> Tensor:
    """Draw the keys by which label values are chosen.

    Args:
        num_classes: C.
        rngs: Each image's generator.

    Returns:
        (B, C + 1) int64 on the CPU: a permutation for each image, its last entry the
        key of what is no class.
    """
    return torch.from_numpy(
        np.stack([rng.permutation(num_classes + 1) for rng in rngs])
    )


def class_mix_mask(
    labels: Tensor, keys: Tensor, pixels: Tensor | None = None, batch: bool = False
) -> Tensor:
    r"""Choose half of the label values of each image, and tell where they are.

    Of the n distinct values the ceil(n / 2) of the lowest keys: each subset of that
    size is as probable. What is no class (the ignore index) is a value too.

    .. math::
        m_i = [y_i \in \mathcal{C}], \quad
        |\mathcal{C}| = \lceil n / 2 \rceil, \quad \mathcal{C} \subset \{y_1, ..., y_N\}

    Args:
        labels: y, (B, H, W) int64.
        keys: (B, C + 1) on the labels' device, see :func:`draw_class_keys`.
        pixels: Which pixels are an image's own, (B, H, W) bool; None for all. The
            others have no value and are never pasted.
        batch: Whether to choose for each image among the values of the whole batch, of
            which it may hold fewer; n is their number.

    Returns:
        The mask m, (B, H, W) bool.

    Source: ClassMix (arXiv 2007.07936); DACS (2007.08702) for ``batch=False``,
    DAFormer's code for ``batch=True``.

    Examples:
        >>> labels = torch.tensor([[[0, 1, 2, 255]]])
        >>> class_mix_mask(labels, torch.tensor([[3, 1, 2, 0]])).tolist()
        [[[False, True, False, True]]]
    """
    other = keys.shape[1] - 1  # the place of what is no class
    nothing = other + 1
    values = labels.masked_fill((labels < 0) | (labels > other), other)
    if pixels is not None:
        values = values.masked_fill(~pixels, nothing)
    values = values.flatten(1)
    present = torch.zeros(
        len(labels), nothing + 1, dtype=torch.bool, device=labels.device
    )
    present = present.scatter_(1, values, True)[:, :nothing]
    if batch:
        present = present.any(dim=0, keepdim=True).expand_as(present)
    ranked = keys.masked_fill(~present, nothing)
    rank = (ranked.unsqueeze(2) > ranked.unsqueeze(1)).sum(dim=2)  # absent: n
    chosen = 2 * rank < present.sum(dim=1, keepdim=True)
    never = chosen.new_zeros(len(labels), 1)
    return torch.cat([chosen, never], dim=1).gather(1, values).view_as(labels)
