"""The host's sliding-window inference, with a strip of the image in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmseg.models import SegDataPreProcessor
from torch import Tensor

_ROWS = 64
"""Rows that are turned into probabilities at a time."""


def window_starts(length: int, crop: int, stride: int) -> list[int]:
    """Return where the host's windows start along a side; the last ends with it.

    Args:
        length: Of the side, pixels.
        crop: Of a window.
        stride: From a window to the next.

    Examples:
        >>> window_starts(10, 4, 4)
        [0, 4, 6]
        >>> window_starts(3, 4, 4)
        [0]
    """
    count = max(length - crop + stride - 1, 0) // stride + 1
    ends = [min(i * stride + crop, length) for i in range(count)]
    return [max(end - crop, 0) for end in ends]


def predict_by_windows(
    model: Any, batch: dict[str, Any], others: Sequence[Any] = ()
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Predict as the host's test does with ``test_cfg=dict(mode="slide", ...)``.

    The windows, and the mean of their upsampled logits, are those of the host's
    ``slide_inference``. It keeps the logits of the whole image, 2.7 GB for 19 classes
    at 6000x6000; here a row of windows is kept, and what no later window reaches is
    turned into labels.

    Args:
        model: A host ``EncoderDecoder`` in eval mode.
        batch: A collated batch of plain samples, images of one size.
        others: Models of the same config; what each gets of its own windows is
            averaged with the probabilities of ``model``. Default: none.

    Returns:
        Labels, (B, H, W) uint8, and their probabilities, (B, H, W) float32, both on
        the CPU, and (H, W), the size of the network's input.
    """
    (crop_h, crop_w), (stride_h, stride_w) = (
        tuple(model.test_cfg[key]) for key in ("crop_size", "stride")
    )
    (images, height, width), read = _reader(model, batch)
    rows = window_starts(height, crop_h, stride_h)
    columns = window_starts(width, crop_w, stride_w)
    label = torch.empty(images, height, width, dtype=torch.uint8)
    confidence = torch.empty(images, height, width)
    count_x = _times_seen(columns, crop_w, width)
    count_y = _times_seen(rows, crop_h, height)
    models = (model, *others)
    # (models x B, C, rows of windows that later ones may reach, W)
    sums = torch.empty(0)
    for top, following in zip(rows, [*rows[1:], height], strict=True):
        bottom = min(top + crop_h, height)
        strip = read(top, bottom)
        kept = sums.shape[2] if sums.ndim == 4 else 0
        shape = (len(models) * images, model.out_channels, bottom - top - kept, width)
        fresh = strip.new_zeros(shape)
        sums = torch.cat([sums, fresh], dim=2) if kept else fresh
        for left in columns:
            right = min(left + crop_w, width)
            window = strip[..., left:right]
            # A torch.Size tells the head to upsample to the window.
            metas = [dict(img_shape=window.shape[2:]) for _ in range(images)]
            for i, each in enumerate(models):
                its = slice(i * images, (i + 1) * images)
                sums[its, ..., left:right] += each.encode_decode(window, metas)
        for start, end in _pieces(top, following):
            times = (count_y[start:end, None] * count_x).to(sums)
            logits = sums[:, :, start - top : end - top] / times
            best, index = _mean_softmax(logits, images).max(dim=1)
            label[:, start:end] = index.byte().cpu()
            confidence[:, start:end] = best.cpu()
        sums = sums[:, :, following - top :].clone()
    return label, confidence, (height, width)


def _mean_softmax(logits: Tensor, images: int) -> Tensor:
    """Average over models: (models x B, C, H, W) to (B, C, H, W) float32."""
    probabilities = logits.float().softmax(dim=1)
    if len(probabilities) == images:
        return probabilities
    return probabilities.unflatten(0, (-1, images)).mean(dim=0)


def _reader(
    model: Any, batch: dict[str, Any]
) -> tuple[tuple[int, int, int], Callable[[int, int], Tensor]]:
    """Return (B, H, W) and what preprocesses a strip of rows."""
    preprocessor = getattr(model.data_preprocessor, "target", model.data_preprocessor)
    images = batch["inputs"]
    same = len({tuple(image.shape) for image in images}) == 1
    if type(preprocessor) is not SegDataPreProcessor or preprocessor.test_cfg:
        same = False  # it may pad, or look at more than a pixel
    if not same:
        inputs = model.data_preprocessor(batch, False)["inputs"]
        shape = (len(inputs), inputs.shape[2], inputs.shape[3])
        return shape, lambda top, bottom: inputs[:, :, top:bottom]

    def read(top: int, bottom: int) -> Tensor:
        strips = [image[:, top:bottom] for image in images]
        part = {"inputs": strips, "data_samples": batch.get("data_samples")}
        strip: Tensor = model.data_preprocessor(part, False)["inputs"]
        return strip

    return (len(images), images[0].shape[1], images[0].shape[2]), read


def _times_seen(starts: list[int], crop: int, length: int) -> Tensor:
    """Return how many windows see each position of a side, (length,)."""
    count = torch.zeros(length, dtype=torch.int32)
    for start in starts:
        count[start : start + crop] += 1
    return count


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split a range of rows into short ones."""
    for piece in range(start, end, _ROWS):
        yield piece, min(piece + _ROWS, end)
