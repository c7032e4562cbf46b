"""Class-wise confidence quantiles of a whole data set, from a stream of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NUM_BINS = 2**16
"""Uniform bins on [0, 1]: a bin's center is at most 7.63e-6 from its values."""

_CHUNK = 2**16  # pixels per step: its int64 indices stay in the processor's cache

Floats = Tensor | NDArray[np.floating]
Integers = Tensor | NDArray[np.integer]


def to_numpy(array: Tensor | NDArray[Any]) -> NDArray[Any]:
    """Return a flat view of a tensor of any device, or of an array."""
    if isinstance(array, Tensor):
        array = array.detach().cpu()
        array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    return np.asarray(array).reshape(-1)


def to_bins(confidence: Floats) -> NDArray[np.uint16]:
    """Quantise confidences to the bins of :class:`ConfidenceHistogram`.

    Args:
        confidence: Probabilities in [0, 1], floating, any shape. Rounding of an
            interpolation may bring them up to 1e-4 outside.

    Returns:
        Bins in [0, ``NUM_BINS``), uint16, same shape.

    Raises:
        ValueError: If a value is NaN or no probability.

    Examples:
        >>> to_bins(np.array([0.0, 0.5, 1.0]))
        array([    0, 32768, 65535], dtype=uint16)
    """
    flat = to_numpy(confidence)
    if flat.size:
        low, high = float(flat.min()), float(flat.max())
        if not (low >= -1e-4 and high <= 1 + 1e-4):  # false for NaN
            raise ValueError(
                f"confidence lies in [{low}, {high}], expected probabilities in "
                "[0, 1]: does the model give NaN, or logits instead of softmax?"
            )
    if flat.dtype != np.float64:
        flat = flat.astype(np.float32, copy=False)
    scaled = flat * flat.dtype.type(NUM_BINS)  # exact: a power of two
    bins = np.clip(scaled, 0, NUM_BINS - 1, out=scaled).astype(np.uint16)
    return bins.reshape(tuple(confidence.shape))


def bin_centers(bins: NDArray[np.integer] | int) -> NDArray[np.float64]:
    """Return the confidence in the middle of each bin, float64."""
    return (np.asarray(bins, dtype=np.float64) + 0.5) / NUM_BINS


def check_quantile(quantile: float, cap: float) -> None:
    """Refuse a quantile or a cap that is no share of one.

    Raises:
        ValueError: If ``quantile`` is outside [0, 1] or ``cap`` outside (0, 1].
    """
    if not 0 <= quantile <= 1:
        raise ValueError(
            f"quantile={quantile} must lie in [0, 1]; 0.5 is the class-wise median"
        )
    if not 0 < cap <= 1:
        raise ValueError(
            f"cap={cap} must lie in (0, 1]; the paper caps thresholds at 0.9"
        )


class ConfidenceHistogram:
    """Streaming histogram of the confidence of pixels by predicted class.

    The class-wise threshold of a pseudo-label (the paper's eq. 4 and appendix A)
    is a quantile over every pixel of the target training set: 1.6e9 values for
    Cityscapes, 25 GB as two float64 arrays. 2^16 uniform bins per class give the
    same quantile to 7.63e-6 in 9.5 MiB for 19 classes.

    Args:
        num_classes: Number of classes C.

    Raises:
        ValueError: If ``num_classes`` is not positive.

    Examples:
        >>> histogram = ConfidenceHistogram(num_classes=3)
        >>> histogram.update(np.array([0.4, 0.6, 0.8, 0.99]),
        ...                  np.array([0, 0, 0, 1]))
        >>> histogram.thresholds(quantile=0.5, cap=0.9).round(4)
        array([0.8, 0.9, 0. ])
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes={num_classes} must be at least 1")
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, NUM_BINS), dtype=np.int64)
        """Pixels per class and bin, (C, 2^16) int64."""

    def update(self, confidence: Floats, label: Integers) -> None:
        """Add the pixels of one image or batch.

        Args:
            confidence: Probability of the predicted class, in [0, 1], any shape.
            label: Predicted class, integer, same shape; a pixel whose label is
                outside [0, C) is ignored.

        Raises:
            ValueError: If the shapes differ or a confidence is no probability.
        """
        if tuple(confidence.shape) != tuple(label.shape):
            raise ValueError(
                f"confidence has shape {tuple(confidence.shape)} and label "
                f"{tuple(label.shape)}: both must be the same"
            )
        confidence, label = to_numpy(confidence), to_numpy(label)
        for start in range(0, label.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            self.update_bins(to_bins(confidence[part]), label[part])

    def update_bins(self, bins: NDArray[np.uint16], label: Integers) -> None:
        """Add pixels whose confidence :func:`to_bins` has quantised already."""
        flat, bins, label = self.counts.reshape(-1), bins.reshape(-1), to_numpy(label)
        inside = not label.size or (label.min() >= 0 and label.max() < self.num_classes)
        for start in range(0, bins.size, _CHUNK):
            index = label[start : start + _CHUNK].astype(np.int64)
            part = bins[start : start + _CHUNK]
            if not inside:
                valid = (index >= 0) & (index < self.num_classes)
                index, part = index[valid], part[valid]
            index *= NUM_BINS
            index += part
            np.add.at(flat, index, 1)

    def merge(self, other: ConfidenceHistogram) -> None:
        """Add the pixels that another histogram has seen.

        Raises:
            ValueError: If ``other`` has another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ValueError(
                f"cannot merge a histogram of {other.num_classes} classes into one "
                f"of {self.num_classes}"
            )
        self.counts += other.counts

    def pixels(self) -> NDArray[np.int64]:
        """Return the number of pixels predicted as each class, (C,) int64."""
        return self.counts.sum(axis=1)

    def thresholds(
        self, quantile: float = 0.5, cap: float = 0.9
    ) -> NDArray[np.float64]:
        r"""Return the confidence tau above which a class's pixels are kept.

        With the n confidences of class c in ascending order x, tau_c =
        min(x[round(n q)], cap), where round is to even and the index at most
        n - 1; tau_c = 0 for a class that was never predicted (BDL's
        implementation of the paper's eq. 4).

        Args:
            quantile: q in [0, 1]. Default 0.5, the median, as the paper.
            cap: Upper bound of tau, in (0, 1]. Default 0.9, as the paper.

        Returns:
            tau, (C,) float64, within 7.63e-6 of a full sort's.

        Raises:
            ValueError: If ``quantile`` or ``cap`` is out of range.
        """
        check_quantile(quantile, cap)
        result = np.zeros(self.num_classes)
        for c in range(self.num_classes):
            cumulative = self.counts[c].cumsum()
            n = int(cumulative[-1])
            if n:
                rank = min(round(n * quantile), n - 1)
                found = int(np.searchsorted(cumulative, rank, side="right"))
                result[c] = min(float(bin_centers(found)), cap)
        return result

    def state_dict(self) -> dict[str, NDArray[np.int64]]:
        """Return the counts, to be saved and loaded again."""
        return {"counts": self.counts}

    def load_state_dict(self, state_dict: Mapping[str, NDArray[np.int64]]) -> None:
        """Take the counts of a saved histogram.

        Raises:
            ValueError: If they belong to another number of classes or bins.
        """
        counts = np.asarray(state_dict["counts"])
        if counts.shape != self.counts.shape:
            raise ValueError(
                f"counts have shape {counts.shape}, expected {self.counts.shape}"
            )
        self.counts[:] = counts
