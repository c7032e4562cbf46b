"""A segmentor's labels and confidences at the size of its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_cosda.inference.sliding_window import predict_by_windows


def upsampled_probabilities(
    logits: Tensor, size: tuple[int, int], align_corners: bool
) -> Tensor:
    """Return class probabilities, upsampled after the softmax.

    Upsampling probabilities, not logits, is what BDL's pseudo-labels are made of.

    Args:
        logits: Output of a decode head, (B, C, h, w), cast to float32.
        size: (H, W) to upsample to, pixels; the logits' own size changes nothing.
        align_corners: Of the bilinear interpolation.

    Returns:
        (B, C, H, W) float32, summing to one over the classes.

    Examples:
        >>> upsampled_probabilities(torch.zeros(1, 2, 1, 1), (2, 2), False).tolist()
        [[[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]]
    """
    probabilities = logits.float().softmax(dim=1)
    if probabilities.shape[2:] == size:
        return probabilities
    return F.interpolate(
        probabilities, size=size, mode="bilinear", align_corners=align_corners
    )


@torch.inference_mode()
def predict_confidence(
    model: Any, batch: dict[str, Any], others: Sequence[Any] = ()
) -> list[tuple[Tensor, Tensor]]:
    """Predict the class of every pixel and the probability of that class.

    With ``test_cfg=dict(mode="slide", ...)`` by the windows of the host's test.

    Args:
        model: A host ``EncoderDecoder`` in eval mode.
        batch: A collated batch of plain samples (no domains), images of one size.
        others: Models of the same config, whose probabilities are averaged with
            those of ``model``. Default: none.

    Returns:
        Per image the label, (H, W) uint8, and the confidence, (H, W) float32, on
        the CPU, at the size of the network's input.
    """
    if (model.test_cfg or {}).get("mode") == "slide":
        label, confidence, size = predict_by_windows(model, batch, others)
    else:
        data = model.data_preprocessor(batch, False)
        inputs = data["inputs"]
        size = tuple(inputs.shape[2:])
        probabilities = upsampled_probabilities(
            model(inputs, mode="tensor"), size, model.align_corners
        )
        for other in others:  # a mean of upsampled maps is the upsampled mean
            probabilities += upsampled_probabilities(
                other(inputs, mode="tensor"), size, other.align_corners
            )
        if others:
            probabilities /= 1 + len(others)
        best, index = probabilities.max(dim=1)
        label, confidence = index.to(torch.uint8).cpu(), best.cpu()
    result = []
    for i, sample in enumerate(batch["data_samples"]):
        # A preprocessor may pad to a divisor, below and right of the image.
        height, width = sample.metainfo.get("img_shape", size)[:2]
        crop = (i, slice(height), slice(width))
        result.append((label[crop], confidence[crop]))
    return result
