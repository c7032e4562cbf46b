"""Series from work folders and from result files."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.training_files import evaluation, train_line, write_log, write_result

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.histories import (
    class_names,
    is_evaluation,
    read_history,
)

NAN = float("nan")


def test_a_work_folder_is_read_across_its_resumes(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        "20260101",
        train_line(5, loss=3.0),
        evaluation(10, 20.0, car=NAN, road=50.0),
        train_line(15, loss=9.0),
        evaluation(20, 99.0, car=99.0, road=99.0),
    )
    write_log(  # from the checkpoint of 10
        tmp_path,
        "20260102",
        train_line(15, loss=2.0),
        {"diagnosis/within": 0.5, "diagnosis/within/car": NAN, "step": 20},
        evaluation(20, 30.0, car=40.0, road=60.0),
    )
    history = read_history(tmp_path)
    assert history.evaluations == {
        "aAcc": {10: 90.0, 20: 90.0},
        "mIoU": {10: 20.0, 20: 30.0},
        "IoU.car": {20: 40.0},  # NaN at 10
        "IoU.road": {10: 50.0, 20: 60.0},
    }
    assert history.training["loss"] == {5: 3.0, 15: 2.0}
    assert "mIoU" not in history.training
    assert history.training["diagnosis/within"] == {20: 0.5}
    assert history.training["diagnosis/within/car"] == {}
    assert class_names([history]) == ["car", "road"]


def test_a_result_file_holds_the_same(tmp_path: Path) -> None:
    history = read_history(
        write_result(
            tmp_path / "a.json",
            {10: 20.0, 20: 40.0},
            diagnosis={"step": [10], "diagnosis/between": [0.25]},
        )
    )
    assert history.evaluations["mIoU"] == {10: 20.0, 20: 40.0}
    assert history.evaluations["IoU.car"] == {10: 10.0, 20: 20.0}
    assert history.training == {
        "loss": {5: 2.0, 15: 1.0},
        "rare": {15: 4.0},
        "diagnosis/between": {10: 0.25},
    }


@pytest.mark.parametrize(
    ("miou", "car"),
    [
        ({10: 20.0}, {10: 10.0}),
        ({10: 40.0, 20: 20.0}, {10: 20.0, 20: 10.0}),  # the best and the last
        ({10: 40.0, 20: 50.0, 30: 20.0}, None),
    ],
)
def test_old_result_files_show_classes_where_all_evaluations_are_known(
    tmp_path: Path, miou: dict[int, float], car: dict[int, float] | None
) -> None:
    history = read_history(
        write_result(tmp_path / "a.json", miou, curve_per_class=None)
    )
    assert history.evaluations.get("IoU.car") == car
    if car is None:
        with pytest.raises(UserError, match=r"a\.json holds no curve per class"):
            is_evaluation([history], "IoU.car")


def test_it_is_known_where_a_metric_was_measured(tmp_path: Path) -> None:
    full = read_history(write_result(tmp_path / "a.json", {10: 20.0}))
    bare = read_history(write_log(tmp_path / "bare", "1", train_line(5, loss=3.0)))
    assert is_evaluation([full], "mIoU")
    assert is_evaluation([full], "IoU.car")
    assert not is_evaluation([full, bare], "loss")
    with pytest.raises(UserError, match=r"bare holds no evaluation.*lr, loss"):
        is_evaluation([full, bare], "mIoU")
    with pytest.raises(UserError, match="bare holds no evaluation"):
        is_evaluation([bare], "mIoU")
    with pytest.raises(UserError, match=r"--classes bus: the classes are car$"):
        is_evaluation([full], "IoU.bus")
    with pytest.raises(UserError, match=r"there are mIoU; logged .* loss, rare$"):
        is_evaluation([full], "mIou")


def test_classes_are_listed_once_among_the_known_metrics(tmp_path: Path) -> None:
    diagnosis = {"step": [1], "a/within": [1.0], "a/within/car": [1.0]}
    path = write_result(tmp_path / "a.json", {10: 20.0}, diagnosis=diagnosis)
    with pytest.raises(UserError, match=r"rare, a/within, a/within/CLASS$"):
        is_evaluation([read_history(path)], "x")


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"curve": {"step": [1]}}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.json is no result file"):
        read_history(path)


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    curve = {"step": [1, 2], "mIoU": [3.0]}
    path = write_result(tmp_path / "a.json", {10: 20.0}, curve=curve)
    with pytest.raises(UserError, match="no result file"):
        read_history(path)
