"""What a training left in its work folder, across kills, resumes and versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers.training_files import write_state

from mmseg_cosda.work_dir import (
    last_checkpoint,
    missing_evaluation,
    read_curve,
    read_diagnosis,
    read_training,
    was_evaluated,
    write_last_evaluation,
)


def log(folder: Path, start: str, *lines: dict[str, Any], tail: str = "") -> None:
    path = folder / start / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)


def train_line(step: int, loss: float) -> dict[str, Any]:
    return {"lr": 0.1, "loss": loss, "time": 0.5, "iter": step, "step": step}


def test_evaluations_are_joined_across_resumes_and_a_cut_line(tmp_path: Path) -> None:
    log(
        tmp_path,
        "20260101_000000",
        train_line(5, 2.0),
        {"aAcc": 9.0, "mIoU": 1.0, "IoU.car": 2.0, "data_time": 0.1, "step": 10},
        train_line(15, 1.5),
        {"mIoU": 2.0, "IoU.car": 4.0, "step": 20},
        tail='{"mIoU": 7.0, "st',
    )
    # resumed from 10: 20 comes again, and the later figure counts
    log(
        tmp_path,
        "20260102_000000",
        train_line(15, 1.25),
        {"mIoU": 2.5, "IoU.car": 5.0, "step": 20},
        {"mIoU": 1.5, "IoU.car": 3.0, "step": 30},
    )
    curve = read_curve(tmp_path)
    assert list(curve) == [10, 20, 30]
    assert curve[20] == {"mIoU": 2.5, "IoU.car": 5.0}
    assert read_training(tmp_path) == {
        "step": [5, 15],
        "loss": [2.0, 1.25],
        "lr": [0.1, 0.1],
        "time": [0.5, 0.5],
    }


def test_an_evaluation_that_was_re_run_is_read(tmp_path: Path) -> None:
    log(tmp_path, "20260101_000000", {"mIoU": 1.0, "step": 10})
    again = tmp_path / "evaluated" / "iter_20" / "20260102_000000"
    again.mkdir(parents=True)
    text = '{"mIoU": 3.0, "IoU.train": NaN, "time": 1}'
    (again / "20260102_000000.json").write_text(text)
    curve = read_curve(tmp_path)
    assert (curve[10]["mIoU"], curve[20]["mIoU"]) == (1.0, 3.0)


def test_a_diagnosis_of_before_goes_on_under_its_new_name(tmp_path: Path) -> None:
    log(
        tmp_path,
        "a",
        {"diagnosis/c.last/purity/car": 0.25, "diagnosis/c.last/split": 0.5, "step": 1},
    )
    key = "diagnosis/c.last/match_precision/car"
    log(tmp_path, "b", {key: 0.75, "diagnosis/within": 0.125, "step": 2})
    assert read_diagnosis(tmp_path) == {
        "step": [1, 2],
        key: [0.25, 0.75],
        "diagnosis/c.last/assignment_accuracy": [0.5, None],
        "diagnosis/within": [None, 0.125],
    }


def test_training_is_thinned(tmp_path: Path) -> None:
    log(tmp_path, "a", *(train_line(step, float(step)) for step in range(1, 501)))
    training = read_training(tmp_path)
    assert 40 <= len(training["step"]) <= 50
    assert training["step"][0] == 1
    assert training["loss"] == [float(step) for step in training["step"]]


def test_an_evaluation_lost_to_a_kill_is_found(tmp_path: Path) -> None:
    def missing(*evaluated: int, interval: int = 10) -> int | None:
        return missing_evaluation(tmp_path, dict.fromkeys(evaluated), interval, 25)

    assert missing() is None  # nothing trained yet
    write_state(tmp_path, 20)
    assert missing(10) == 20
    assert missing(10, 20) is None
    assert missing(interval=15) is None  # 20 is not an iteration of evaluation
    write_state(tmp_path, 25)
    assert missing(10, 20) == 25  # the last iteration always is


def test_the_pointer_to_a_checkpoint_counts_for_nothing(tmp_path: Path) -> None:
    pointer = tmp_path / "last_checkpoint"
    pointer.write_text(f"{tmp_path}/iter_20.pth")
    assert last_checkpoint(tmp_path) is None
    write_state(tmp_path, 10)
    for text in (f"{tmp_path}/iter_20.pth", "elsewhere/iter_5.pth", ""):
        pointer.write_text(text)
        assert last_checkpoint(tmp_path) == 10
    pointer.unlink()
    assert last_checkpoint(tmp_path) == 10


def test_an_evaluation_is_complete_when_that_is_noted(tmp_path: Path) -> None:
    log(tmp_path, "a", {"mIoU": 1.0, "step": 10})
    assert was_evaluated(tmp_path, 10)  # a folder of an earlier version
    write_last_evaluation(tmp_path, 0)
    assert not was_evaluated(tmp_path, 10)  # logged, and killed before the best
    write_last_evaluation(tmp_path, 10)
    assert was_evaluated(tmp_path, 10)
    assert not was_evaluated(tmp_path, 20)
