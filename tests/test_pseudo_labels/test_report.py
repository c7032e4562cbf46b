"""The report's figures by hand, and its picture."""

from __future__ import annotations

import numpy as np
import pytest

from mmseg_cosda.pseudo_labels.report import draw_report
from mmseg_cosda.pseudo_labels.statistics import PseudoLabelStatistics


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
