"""What is written down of a training, and what of it is compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mmseg_cosda.datasets import (
    DemoStreetsDataset,
    DomainPairDataset,
    FolderSegDataset,
    PseudoLabelDataset,
)
from mmseg_cosda.engine import run_record
from mmseg_cosda.engine.run_data import data_identity
from mmseg_cosda.engine.run_record import (
    RECORD,
    comparable,
    differences,
    former_starts,
    read_record,
    record_start,
)

META = {"classes": ("a", "b"), "palette": [[0, 0, 0], [1, 1, 1]]}
LOAD = [{"type": "LoadAnnotations"}]


def make_start(iteration: int, **changes: Any) -> dict[str, Any]:
    values = {"train_cfg.max_iters": 9, "load_from": "/here/a.pth", "log_level": "INFO"}
    return {
        "iteration": iteration,
        "values": values,
        "seed": 0,
        "version": "1",
        "commit": "abc",
        "clean": True,
        "data": {"source": {"files": 1, "digest": "x", "dates": "y"}},
        **changes,
    }


def test_a_start_is_added_where_something_changed(tmp_path: Path) -> None:
    record_start(tmp_path, make_start(0))
    record_start(tmp_path, make_start(3), read_record(tmp_path))
    assert read_record(tmp_path) == [make_start(0)]
    record_start(tmp_path, make_start(6, seed=1), read_record(tmp_path))
    newer = make_start(8, seed=1, commit="def")
    record_start(tmp_path, newer, read_record(tmp_path))
    assert [start["iteration"] for start in read_record(tmp_path)] == [0, 6, 8]
    # Gone on from before the second: what that one trained is forgotten.
    record_start(tmp_path, make_start(6), read_record(tmp_path))
    assert read_record(tmp_path) == [make_start(0)]
    record_start(tmp_path, newer)
    assert read_record(tmp_path) == [newer]
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_a_record_that_is_none_doesnt_stop_a_training(tmp_path: Path) -> None:
    assert former_starts(tmp_path) == ([], "")
    (tmp_path / RECORD).write_text("{")
    starts, line = former_starts(tmp_path)
    assert starts == []
    assert line.startswith(f"{tmp_path / RECORD} is no record of a training (")
    assert line.endswith("A new record is begun")


def test_places_dont_count_and_names_do() -> None:
    old = make_start(0)
    values = {**old["values"], "load_from": "there/a.pth", "log_level": "ERROR"}
    assert not list(differences(old, make_start(5, values=values)))
    values["load_from"] = "/here/b.pth"
    assert list(differences(old, make_start(0, values=values))) == [
        ("load_from", "a.pth", "b.pth")
    ]
    again = comparable(comparable(old))
    assert again == comparable(old)
    assert "/here" not in json.dumps(again)


def test_the_commit_is_that_of_the_packages_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mmseg_cosda", "site-packages/mmseg_cosda"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").touch()
    user = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init",), ("add", "."), (*user, "commit", "-m", "x")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)

    def state(package: str) -> dict[str, Any]:
        monkeypatch.setattr(run_record, "PACKAGE", (tmp_path / package).resolve())
        return dict(run_record.package_state.__wrapped__())

    first = state("mmseg_cosda")
    assert len(first["commit"]) == 40
    assert first["clean"]
    (tmp_path / "mmseg_cosda/a.py").write_text("changed")
    assert state("mmseg_cosda") == {**first, "clean": False}
    # A wheel, in an environment within another project's repository.
    nothing = {"version": first["version"], "commit": None, "clean": None}
    assert state("site-packages/mmseg_cosda") == nothing


def write_folder(folder: Path) -> Path:
    for name in ("images", "labels", "pl"):
        for index in range(3):
            path = folder / name / f"city/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * (index + 1))
    return folder


def identity(folder: Path) -> dict[str, Any]:
    options: Any = dict(metainfo=META, data_root=str(folder), pipeline=LOAD)
    labelled = FolderSegDataset(
        data_prefix=dict(img_path="images", seg_map_path="labels"), **options
    )
    images = FolderSegDataset(data_prefix=dict(img_path="images"), **options)
    target = PseudoLabelDataset(images, folder / "pl")
    pair = DomainPairDataset(labelled, target, seed=0)
    return data_identity(pair, labelled)


def test_a_copy_is_the_same_data_and_another_size_or_name_is_not(
    tmp_path: Path,
) -> None:
    before = identity(write_folder(tmp_path / "old"))
    assert {part: found["files"] for part, found in before.items()} == {
        "source": 6,
        "target": 3,
        "pseudo_labels": 3,
        "validation": 6,
    }
    copy = Path(shutil.copytree(tmp_path / "old", tmp_path / "new/place"))
    assert identity(copy) == before  # copytree keeps the dates
    os.utime(copy / "images/city/1.png", (1, 1))
    touched = identity(copy)
    for part, found in touched.items():
        assert found["digest"] == before[part]["digest"]
        assert (found["dates"] == before[part]["dates"]) == (part == "pseudo_labels")

    (copy / "pl/city/1.png").write_bytes(b"another")
    changed = identity(copy)
    assert differing(before, changed) == {"pseudo_labels"}
    (copy / "labels/city/1.png").write_bytes(b"another")
    changed = identity(copy)
    assert differing(before, changed) == {"pseudo_labels", "source", "validation"}
    for name in ("images", "labels", "pl"):
        (copy / name / "city/2.png").rename(copy / name / "city/4.png")
    assert differing(changed, identity(copy)) == set(before)


def differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {part for part in old if old[part]["digest"] != new[part]["digest"]}


@pytest.mark.parametrize(
    "other", [{"length": 3}, {"seed": 1}, {"gap": 0.5}, {"split": "val"}]
)
def test_rendered_images_are_told_by_their_parameters(other: dict[str, Any]) -> None:
    base: dict[str, Any] = dict(domain="target", length=2)
    old, same, new = (
        data_identity(DemoStreetsDataset(**{**base, **options}))["training"]
        for options in ({}, {}, other)
    )
    assert old == same
    assert old["digest"] != new["digest"]


def test_a_dataset_that_lists_nothing_is_left_out() -> None:
    streets = DemoStreetsDataset(domain="target", length=1)
    assert data_identity([1, 2], streets).keys() == {"validation"}
