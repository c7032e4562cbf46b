"""Which runs become one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.training_files import evaluation, write_log, write_result

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.groups import group_runs


def work_dir(path: Path) -> Path:
    return write_log(path, "20260101", evaluation(10, 20.0))


def test_seeds_of_a_row_are_one_line(tmp_path: Path) -> None:
    cosine = [work_dir(tmp_path / f"demo/cosine/seed{seed}") for seed in (2, 10)]
    alone = work_dir(tmp_path / "demo/mine")
    expected = {"cosine": cosine, "mine": [alone]}
    assert group_runs([*cosine, alone], {}) == expected
    # the folder above the seeds stands for them, and no run counts twice
    assert group_runs([cosine[0].parent, cosine[1], alone], {}) == expected


def test_result_files_are_grouped_by_name(tmp_path: Path) -> None:
    paths = [
        write_result(tmp_path / f"{name}.json", {10: 1.0})
        for name in ("a_seed9", "a_seed10", "b_seed0")
    ]
    (tmp_path / "table_1.md").touch()
    (tmp_path / "other.json").touch()
    expected = {"a": paths[:2], "b": paths[2:]}
    assert group_runs([tmp_path], {}) == expected
    assert group_runs(paths, {}) == expected


def test_one_name_in_two_folders_is_told_apart(tmp_path: Path) -> None:
    source, cosine = work_dir(tmp_path / "s/demo"), work_dir(tmp_path / "c/demo")
    assert group_runs([source, cosine], {}) == {"s/demo": [source], "c/demo": [cosine]}
    a = write_result(tmp_path / "x/row_seed0.json", {10: 1.0})
    b = write_result(tmp_path / "y/row_seed0.json", {10: 1.0})
    assert group_runs([a, b], {}) == {"x/row": [a], "y/row": [b]}


def test_labels_take_what_fits_their_patterns(tmp_path: Path) -> None:
    first, second = work_dir(tmp_path / "run_1"), work_dir(tmp_path / "run_2")
    file = write_result(tmp_path / "a_seed0.json", {10: 1.0})
    (tmp_path / "run_1.log").touch()
    labels = {"both": [f"{tmp_path}/run_*"], "file": [f"{tmp_path}/**/*_seed*.json"]}
    groups = group_runs([], labels)
    assert groups["both"] == [first, second]
    assert groups["file"] == [file]
    labels = {"all": [f"{tmp_path}/run_1", f"{tmp_path}/run_*"]}
    assert group_runs([], labels) == {"all": [first, second]}


@pytest.mark.parametrize(
    ("paths", "labels", "message"),
    [
        (["gone"], {}, "there is no such work folder"),
        (["empty"], {}, "is no work folder of a training"),
        ([], {"a": ["empty/*"]}, r"--label a=.*no work folder or result file fits"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    paths: list[str],
    labels: dict[str, list[str]],
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        group_runs([Path(path) for path in paths], labels)
