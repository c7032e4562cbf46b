"""Pseudo-labels' thresholds of any confidences: against a sort of all of them."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pytest
from helpers.properties import examples
from helpers.pseudo_label_reference import sorted_thresholds
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmseg_cosda.pseudo_labels import ConfidenceHistogram, histogram
from mmseg_cosda.pseudo_labels.histogram import NUM_BINS, bin_centers, to_bins
from mmseg_cosda.pseudo_labels.spool import Prediction, Spool, clip_bins
from mmseg_cosda.pseudo_labels.statistics import kept_from

BOUND = 0.5 / NUM_BINS
"""What a bin's center is off at most, as the documentation states: 7.63e-6."""
Images = list[tuple[NDArray[Any], NDArray[Any]]]
QUANTILES = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
CAPS = st.sampled_from([0.9, 1.0]) | st.floats(0.01, 1)


@st.composite
def images(draw: st.DrawFn, C: int) -> Images:
    """Of different sizes, without pixels too; classes that are never predicted."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    labels = draw(st.sampled_from([np.int64, np.int32, np.int16]))
    named = [*range(draw(st.integers(1, C))), 255, -1]
    made = []
    for _ in range(draw(st.integers(0, 5))):
        size = int(rng.integers(0, 60))
        confidence = rng.beta(3, 1, size)
        ends = rng.random(size)
        confidence[ends < 0.1], confidence[ends > 0.9] = 0, 1
        chosen = rng.choice(named, size).astype(labels)
        made.append((confidence.astype(dtype), chosen))
    return made


def counted(C: int, chosen: Images) -> ConfidenceHistogram:
    made = ConfidenceHistogram(C)
    for confidence, label in chosen:
        made.update(confidence, label)
    return made


@examples(50)
@given(st.data(), st.integers(1, 4), QUANTILES, CAPS, st.integers(1, 40))
def test_a_quantile_is_a_sorts_within_the_bound(
    data: st.DataObject, C: int, quantile: float, cap: float, chunk: int
) -> None:
    chosen = data.draw(images(C))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histogram, "_CHUNK", chunk)
        found = counted(C, chosen)
    confidences, labels = ([image[i] for image in chosen] for i in (0, 1))
    empty = [np.empty(0)]
    expected = sorted_thresholds(
        confidences or empty, labels or empty, C, quantile, cap
    )
    got = found.thresholds(quantile, cap)
    assert (np.abs(got - expected) <= BOUND).all()
    everything = np.concatenate(labels or empty)
    assert found.pixels().tolist() == [(everything == c).sum() for c in range(C)]


@examples(30)
@given(st.data(), st.integers(1, 4), QUANTILES)
def test_parts_merged_in_any_order_are_the_whole(
    data: st.DataObject, C: int, quantile: float
) -> None:
    chosen = data.draw(images(C))
    parts = [ConfidenceHistogram(C) for _ in range(3)]
    for confidence, label in chosen:
        parts[data.draw(st.integers(0, 2))].update(confidence, label)
    merged = ConfidenceHistogram(C)
    for i in data.draw(st.permutations(range(3))):
        loaded = ConfidenceHistogram(C)
        loaded.load_state_dict({k: v.copy() for k, v in parts[i].state_dict().items()})
        merged.merge(loaded)
    whole = counted(C, data.draw(st.permutations(chosen)))
    assert np.array_equal(merged.counts, whole.counts)
    assert np.array_equal(merged.thresholds(quantile), whole.thresholds(quantile))


@examples(30)
@given(st.data(), st.lists(QUANTILES, min_size=2, max_size=4), CAPS)
def test_a_higher_quantile_never_lowers_a_threshold(
    data: st.DataObject, quantiles: list[float], cap: float
) -> None:
    found = counted(3, data.draw(images(3)))
    rising = [found.thresholds(q, cap) for q in sorted(quantiles)]
    assert (np.diff(rising, axis=0) >= 0).all()
    assert np.min(rising) >= 0
    assert np.max(rising) <= cap


@examples(30)
@given(st.data(), QUANTILES, CAPS, st.sampled_from(["gt", "ge"]))
def test_what_is_kept_is_what_exceeds_the_threshold(
    data: st.DataObject, quantile: float, cap: float, comparison: str
) -> None:
    """By clipped bins as by the pixels' own."""
    chosen = data.draw(images(3))
    centers = bin_centers(np.arange(NUM_BINS))
    tau = counted(3, chosen).thresholds(quantile, cap)
    least = kept_from(tau, centers, comparison)
    clipped = ConfidenceHistogram(3)
    for confidence, label in chosen:
        clipped.update_bins(clip_bins(to_bins(confidence), cap), label)
    assert np.array_equal(clipped.thresholds(quantile, cap), tau)
    for confidence, label in chosen:
        named = (label >= 0) & (label < 3)
        bins, of = to_bins(confidence)[named], label[named]
        center = bin_centers(bins)
        exceeds = center > tau[of] if comparison == "gt" else center >= tau[of]
        assert np.array_equal(bins >= least[of], exceeds)
        assert np.array_equal(clip_bins(bins, cap) >= least[of], exceeds)


@examples(15)
@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_a_spooled_prediction_comes_back(
    height: int, width: int, truth: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (height, width)
    stored: Any = Prediction(
        rng.integers(0, 256, shape, np.uint8),
        rng.integers(0, NUM_BINS, shape, np.uint16),
        rng.integers(0, 256, shape if truth else (0, 0), np.uint8),
    )
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(folder)
        spool.write(3, stored)
        assert 3 in spool
        assert 2 not in spool
        back: Any = spool.read(3)
        for got, wanted in zip(back, stored, strict=True):
            assert got.dtype == wanted.dtype
            assert np.array_equal(got, wanted)
