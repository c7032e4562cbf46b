"""Predictions wait on disk, whole, and belong to one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.pseudo_labels.spool import Prediction, Spool


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
