"""Which class a pixel of a feature map counts for (eq. 6 to 8); imports torch alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def split_source(predictions: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Keep the class of the correctly classified pixels (process A, eq. 6 and 17).

    Args:
        predictions: argmax of the source's logits p, integers of any shape.
        labels: Ground truth, resized to the same shape.
        ignore_index: The label that no class has.

    Returns:
        c_hat: the class where both agree, else the ignore index.

    Source: section 3.2 of the paper.

    Examples:
        >>> split_source(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 255]), 255)
        tensor([  0, 255, 255])
    """
    return torch.where(predictions == labels, labels, ignore_index)


def confident_predictions(
    logits: Tensor, min_confidence: float, ignore_index: int
) -> Tensor:
    r"""Predict each pixel's class, and none where the network is not sure.

    .. math::
        c_{max} = \arg\max_c p_c \text{ where } \max_c \mathrm{softmax}(p)_c \ge
        \text{min\_confidence}

    Args:
        logits: p, (B, C, h, w) floating point.
        min_confidence: Smallest probability of the predicted class that is trusted,
            in [0, 1]; 0, the paper's, trusts all.
        ignore_index: The label of pixels that are not trusted.

    Returns:
        The classes, (B, h, w) int64.

    Examples:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).log_softmax(0)
        >>> confident_predictions(logits.view(1, 2, 1, 2), 0.8, 255)
        tensor([[[  0, 255]]])
    """
    predictions = logits.argmax(dim=1)
    if min_confidence <= 0:
        return predictions
    wide = torch.promote_types(logits.dtype, torch.float32)
    confidence = logits.softmax(dim=1, dtype=wide).amax(dim=1)
    return torch.where(confidence < min_confidence, ignore_index, predictions)


def augment_pseudo_labels(
    pseudo_labels: Tensor, predictions: Tensor, ignore_index: int
) -> Tensor:
    """Fill a pseudo-label's ignored pixels with the prediction (eq. 7 and 18).

    Without pseudo-labels the prediction itself splits the target (process B, eq. 8).

    Args:
        pseudo_labels: y, resized to the predictions' shape.
        predictions: argmax of the target's current logits, integers.
        ignore_index: The label of pixels that were not confident enough.

    Returns:
        The augmented pseudo-label.

    Source: section 3.2 of the paper.

    Examples:
        >>> augment_pseudo_labels(torch.tensor([3, 255]), torch.tensor([1, 2]), 255)
        tensor([3, 2])
    """
    return torch.where(pseudo_labels == ignore_index, predictions, pseudo_labels)


def resize_labels(
    labels: Tensor, size: tuple[int, int], padding: int = 0, ignore_index: int = -1
) -> Tensor:
    """Resize label maps to a feature map, nearest (I_nearest of section 3.2).

    The pixels are those of ``F.interpolate(mode="nearest")``, whatever the dtype.

    Args:
        labels: Classes or predictions, (B, H, W) of any dtype.
        size: (h, w) of the feature map.
        padding: Pixels of ignored border around the labels before they are resized,
            for networks that pad their input (FCN-8s: 100); 0, the paper's, resizes
            straight.
        ignore_index: The label of that border.

    Returns:
        The labels, (B, h, w).

    Raises:
        ValueError: If the labels are not (B, H, W) or empty, or padding is negative.

    Examples:
        >>> resize_labels(torch.arange(4).view(1, 1, 4), (1, 2))
        tensor([[[0, 2]]])
    """
    if labels.ndim != 3 or 0 in labels.shape[1:]:
        raise ValueError(f"labels of shape {tuple(labels.shape)}: expected (B, H, W)")
    if padding < 0:
        raise ValueError(f"padding={padding} must not be negative")
    if padding:
        labels = F.pad(labels, [padding] * 4, value=ignore_index)
    for dim, length in zip((1, 2), size, strict=True):
        pixels = torch.arange(
            labels.shape[dim], dtype=torch.float32, device=labels.device
        )
        index = F.interpolate(pixels[None, None], size=length, mode="nearest")
        labels = labels.index_select(dim, index[0, 0].long())
    return labels
