"""What a result file says of a training's evaluations."""

from __future__ import annotations

from mmseg_cosda.reproduce.results import summarize


def test_last_and_best_go_by_the_headline_metric() -> None:
    nan = float("nan")
    curve = {
        10: {"mIoU": 5.0, "mIoU13": 6.0, "time": 0.1, "IoU.car": 1.0},
        20: {"mIoU": 4.0, "mIoU13": 9.0, "time": 0.1, "IoU.car": 2.0},
        30: {"mIoU": 4.5, "mIoU13": nan, "time": 0.1, "IoU.car": nan},
    }
    summary = summarize(curve, "mIoU13")
    best = {"step": 20, "mIoU": 4.0, "mIoU13": 9.0, "per_class": {"car": 2.0}}
    assert summary["best"] == best
    last = {"step": 30, "mIoU": 4.5, "mIoU13": None, "per_class": {"car": None}}
    assert summary["last"] == last
    assert summary["curve"] == {
        "step": [10, 20, 30],
        "mIoU": [5.0, 4.0, 4.5],
        "mIoU13": [6.0, 9.0, None],
    }
    assert summary["curve_per_class"] == {"car": [1.0, 2.0, None]}
    assert summarize(curve, "mIoU")["best"]["step"] == 10
