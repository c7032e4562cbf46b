"""Class-wise thresholds against a full sort."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pseudo_label_reference import sorted_thresholds

from mmseg_cosda.pseudo_labels import ConfidenceHistogram
from mmseg_cosda.pseudo_labels.histogram import NUM_BINS, bin_centers, to_bins
from mmseg_cosda.pseudo_labels.options import GenerationOptions
from mmseg_cosda.pseudo_labels.spool import clip_bins
from mmseg_cosda.pseudo_labels.statistics import kept_from

CLASSES = 5


def stream(
    seed: int, images: int = 6, dtype: Any = np.float32
) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
    """Images of different sizes; class 4 is never predicted, 255 and -1 are none."""
    rng = np.random.default_rng(seed)
    shapes = [
        (int(rng.integers(1, 90)), int(rng.integers(1, 90))) for _ in range(images)
    ]
    labels = [rng.choice([0, 1, 2, 3, 255, -1], shape) for shape in shapes]
    return [rng.beta(3, 1, shape).astype(dtype) for shape in shapes], labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("quantile", "cap"), [(0.5, 0.9), (0.5, 1.0), (0.0, 1.0), (1.0, 1.0), (0.83, 0.7)]
)
def test_thresholds_equal_a_full_sort(seed: int, quantile: float, cap: float) -> None:
    confidences, labels = stream(seed)
    histogram = ConfidenceHistogram(CLASSES)
    for confidence, label in zip(confidences, labels, strict=True):
        histogram.update(confidence, label)
    expected = sorted_thresholds(confidences, labels, CLASSES, quantile, cap)
    np.testing.assert_allclose(
        histogram.thresholds(quantile, cap), expected, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.3], 0.3),  # round(0.5) = 0
        ([0.1, 0.2, 0.3], 0.3),  # round(1.5) = 2
        ([0.5, 0.4, 0.3, 0.2, 0.1], 0.3),  # round(2.5) = 2, not 3
        ([0.1, 0.2, 0.3, 0.4], 0.3),
        ([0.95, 0.99, 1.0], 0.9),  # the cap
        ([], 0.0),
    ],
)
def test_the_median_rounds_half_to_even(values: list[float], expected: float) -> None:
    histogram = ConfidenceHistogram(1)
    histogram.update(np.array(values), np.zeros(len(values), np.int64))
    np.testing.assert_allclose(histogram.thresholds()[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("label_dtype", [torch.uint8, torch.int32, torch.int64])
def test_tensors_count_as_arrays(dtype: torch.dtype, label_dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(2, 7, 9, generator=generator).to(dtype)
    label = torch.randint(7, (2, 7, 9), generator=generator).to(label_dtype)
    ours, arrays = ConfidenceHistogram(CLASSES), ConfidenceHistogram(CLASSES)
    ours.update(confidence.requires_grad_(), label)
    arrays.update(confidence.detach().double().numpy(), label.numpy().astype(np.int64))
    assert ours.counts.sum() == int((label < CLASSES).sum())
    np.testing.assert_array_equal(ours.counts, arrays.counts)


def test_merged_parts_equal_the_whole_and_survive_a_file(tmp_path: Path) -> None:
    confidences, labels = stream(7)
    whole, first, second = (ConfidenceHistogram(CLASSES) for _ in range(3))
    for i, (confidence, label) in enumerate(zip(confidences, labels, strict=True)):
        whole.update(confidence, label)
        (first if i % 2 else second).update(confidence, label)
    np.savez(tmp_path / "state.npz", counts=second.state_dict()["counts"])
    loaded = ConfidenceHistogram(CLASSES)
    loaded.load_state_dict(np.load(tmp_path / "state.npz"))
    first.merge(loaded)
    np.testing.assert_array_equal(first.counts, whole.counts)
    with pytest.raises(ValueError, match="3 classes into one of 5"):
        whole.merge(ConfidenceHistogram(3))
    with pytest.raises(ValueError, match="expected \\(3, 65536\\)"):
        ConfidenceHistogram(3).load_state_dict(whole.state_dict())


def test_memory_stays_below_16_mib_for_a_cityscapes_image() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random((512, 1024), dtype=np.float32)
    label = rng.integers(0, 19, (512, 1024))
    tracemalloc.start()
    histogram = ConfidenceHistogram(19)
    histogram.update(confidence, label)
    histogram.update(confidence, label)
    histogram.thresholds()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 16 * 2**20


@pytest.mark.parametrize("bad", [np.nan, 1.5, -0.1])
def test_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="logits instead of softmax"):
        ConfidenceHistogram(2).update(np.array([0.5, bad]), np.array([0, 1]))


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ValueError, match="num_classes=0"):
        ConfidenceHistogram(0)
    with pytest.raises(ValueError, match=r"\(2,\) and label \(3,\)"):
        ConfidenceHistogram(2).update(np.ones(2), np.ones(3, np.int64))
    with pytest.raises(ValueError, match=r"quantile=1.2 must lie in \[0, 1\]"):
        ConfidenceHistogram(2).thresholds(quantile=1.2)
    with pytest.raises(ValueError, match=r"cap=0 must lie in \(0, 1\]"):
        GenerationOptions(cap=0)
    with pytest.raises(ValueError, match="comparison='>'"):
        GenerationOptions(comparison=">")
    with pytest.raises(ValueError, match="batch_size=0"):
        GenerationOptions(batch_size=0)


@pytest.mark.parametrize("cap", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("comparison", ["gt", "ge"])
def test_clipped_bins_keep_the_same_pixels(cap: float, comparison: str) -> None:
    rng = np.random.default_rng(3)
    confidence, label = rng.beta(6, 1, 5000), rng.integers(0, 3, 5000)
    centers = bin_centers(np.arange(NUM_BINS))
    kept = []
    for bins in (to_bins(confidence), clip_bins(to_bins(confidence), cap)):
        histogram = ConfidenceHistogram(3)
        histogram.update_bins(bins, label)
        tau = histogram.thresholds(0.4, cap)
        kept.append(bins >= kept_from(tau, centers, comparison)[label])
    np.testing.assert_array_equal(kept[0], kept[1])
    assert 0 < kept[0].mean() < 1
