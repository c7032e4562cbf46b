"""Thresholds, predictions, counts and the spool, each against values by hand."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pseudo_label_reference import sorted_thresholds

from mmseg_cosda.errors import UserError
from mmseg_cosda.pseudo_labels import ConfidenceHistogram
from mmseg_cosda.pseudo_labels.histogram import NUM_BINS, bin_centers, to_bins
from mmseg_cosda.pseudo_labels.picture import draw_report
from mmseg_cosda.pseudo_labels.prediction import upsampled_probabilities
from mmseg_cosda.pseudo_labels.settings import Settings
from mmseg_cosda.pseudo_labels.spool import Prediction, Spool, clip_bins
from mmseg_cosda.pseudo_labels.statistics import PseudoLabelStatistics, kept_from

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
        Settings(cap=0)
    with pytest.raises(ValueError, match="comparison='>'"):
        Settings(comparison=">")
    with pytest.raises(ValueError, match="batch_size=0"):
        Settings(batch_size=0)


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


def test_probabilities_are_upsampled_not_logits() -> None:
    logits = torch.tensor([[[[4.0, 0.0]], [[0.0, 0.0]]]])  # (1, 2, 1, 2)
    left, right = 1 / (1 + np.exp(-4)), 0.5
    for align_corners, weights in (
        (True, [1, 2 / 3, 1 / 3, 0]),
        (False, [1, 3 / 4, 1 / 4, 0]),
    ):
        result = upsampled_probabilities(logits, (1, 4), align_corners)
        expected = [w * left + (1 - w) * right for w in weights]
        np.testing.assert_allclose(result[0, 0, 0].numpy(), expected, rtol=1e-6)
    same = upsampled_probabilities(logits, (1, 2), align_corners=False)
    np.testing.assert_allclose(same.numpy(), logits.softmax(1).numpy())


def statistics_by_hand() -> PseudoLabelStatistics:
    statistics = PseudoLabelStatistics(num_classes=3)
    truth = np.array([[0, 0, 1, 255], [1, 1, 0, 2]], np.uint8)
    predicted = np.array([[0, 1, 1, 1], [1, 0, 0, 1]], np.uint8)
    kept = np.array([[0, 1, 1, 1], [255, 255, 0, 255]], np.uint8)
    statistics.add(kept, predicted, truth)
    statistics.add(
        np.full((1, 2), 255, np.uint8),
        np.zeros((1, 2), np.uint8),
        np.zeros(0, np.uint8),
    )
    return statistics


def test_report_figures_by_hand() -> None:
    summary = statistics_by_hand().summary(
        ["a", "b", "c"], np.array([0.6, 0.7, 0.0]), np.array([5, 5, 0])
    )
    assert (summary["pixels"], summary["kept"], summary["share_kept"]) == (10, 5, 0.5)
    a, b, c = summary["classes"]
    assert (a["kept"], a["share_kept"], a["coverage"], a["images"]) == (2, 0.4, 0.2, 1)
    assert (b["kept"], b["share_kept"], b["coverage"], b["images"]) == (3, 0.6, 0.3, 1)
    assert (c["kept"], c["share_kept"], c["coverage"], c["images"]) == (0, None, 0.0, 0)
    # Kept with a known truth: (0,0), (0,1), (1,1), (0,0) as (truth, label).
    assert (a["accuracy"], a["iou"], a["recall"]) == (1.0, 0.666667, 0.666667)
    assert (b["accuracy"], b["iou"], b["recall"]) == (0.5, 0.5, 0.333333)
    assert (c["accuracy"], c["iou"], c["recall"]) == (None, None, 0.0)
    # All predictions: right at 4 of 7 labelled pixels.
    assert summary["quality"] == {
        "accuracy": 0.75,
        "miou": pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6),
        "accuracy_before_threshold": 0.571429,
    }


def test_report_without_truth_has_no_quality() -> None:
    statistics = PseudoLabelStatistics(2)
    statistics.add(
        np.array([[0, 255]], np.uint8), np.array([[0, 0]]), np.zeros(0, "u1")
    )
    summary = statistics.summary(["a", "b"], np.zeros(2), np.array([2, 0]))
    assert "quality" not in summary
    assert "accuracy" not in summary["classes"][0]


def test_the_picture_shows_every_class_and_is_reproducible() -> None:
    summary = statistics_by_hand().summary(
        ["road", "pole", "train"], np.array([0.6, 0.7, 0.0]), np.array([5, 5, 0])
    )
    report = {"images": 2, "quantile": 0.5, "cap": 0.9, "comparison": "ge", **summary}
    picture = draw_report(report)
    assert picture == draw_report(report)
    for text in (
        "road",
        "pole",
        "train",
        "50.0 % of 10 pixels",
        "75.0 % right",
        "0.667",
    ):
        assert text in picture.decode()
    assert draw_report(report, "png").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="suffix 'txt'"):
        draw_report(report, "txt")


def spooled(out: Path) -> Spool:
    spool = Spool(out)
    assert spool.open({"weights": "a", "checkpoint": "one.pth"}, ["x.png"], False)
    return spool


def test_spool_gives_back_what_it_got(tmp_path: Path) -> None:
    spool = spooled(tmp_path / "out")
    rng = np.random.default_rng(0)
    prediction = Prediction(
        rng.integers(0, 256, (5, 7), dtype=np.uint8),
        rng.integers(0, 65536, (5, 7), dtype=np.uint16),
        np.empty(0, np.uint8),
    )
    assert 3 not in spool
    spool.write(3, prediction)
    assert 3 in spool
    for ours, theirs in zip(prediction, spool.read(3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [array.dtype for array in spool.read(3)] == ["u1", "u2", "u1"]


def test_a_failing_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        spool.write(0, Prediction(*(np.zeros((1, 1), t) for t in ("u1", "u2", "u1"))))
    assert 0 not in spool
    assert [path.name for path in spool.folder.iterdir()] == ["manifest.json"]


def test_another_run_is_refused_by_name(tmp_path: Path) -> None:
    spooled(tmp_path)
    other = {"weights": "b", "checkpoint": "two.pth"}
    with pytest.raises(UserError, match=r"one.pth \(a\) there, two.pth \(b\) here"):
        Spool(tmp_path).open(other, ["x.png"], False)
    same = {"weights": "a", "checkpoint": "renamed.pth"}
    assert Spool(tmp_path).open(same, ["x.png"], False)
    Spool(tmp_path).write(0, Prediction(*(np.zeros((1, 1), t) for t in ("u1",) * 3)))
    assert Spool(tmp_path).open(other, ["x.png"], True)
    assert 0 not in Spool(tmp_path)


def test_files_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"somebody's")
    (tmp_path / "y.png").write_bytes(b"somebody's")
    with pytest.raises(UserError, match="unknown origin"):
        Spool(tmp_path).open({}, ["x.png"], False)
    assert (tmp_path / "x.png").exists()
    Spool(tmp_path).open({}, ["x.png"], True)
    assert not (tmp_path / "x.png").exists()
    assert (tmp_path / "y.png").exists()  # not one of ours: left alone


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        Spool(tmp_path / "file").open({}, [], False)


def test_a_finished_folder_has_nothing_to_do(tmp_path: Path) -> None:
    manifest = {"weights": "a"}
    (tmp_path / "x.png").write_bytes(b"")
    (tmp_path / "report.json").write_text(json.dumps({"made_by": manifest}))
    assert not Spool(tmp_path).open(manifest, ["x.png"], False)
    assert Spool(tmp_path).open(manifest, ["x.png", "lost.png"], False)
