"""Predictions wait on disk, whole, and belong to one run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmseg_cosda.datasets.pseudo_label_files import report_text
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
    (tmp_path / "x.png").write_bytes(b"label")
    (tmp_path / "report.json").write_text(json.dumps({"made_by": manifest}))
    assert not Spool(tmp_path).open(manifest, ["x.png"], False)
    assert Spool(tmp_path).open(manifest, ["x.png", "lost.png"], False)


MANIFEST = {"weights": "a", "classes": ["road", "sky"]}
NAMES = ["a/x.png", "y.png", "z.png"]


def finished(out: Path) -> Spool:
    """A folder as a run leaves it."""
    spool = Spool(out)
    assert spool.open(MANIFEST, NAMES, False)
    files = {name: spool.publish(name, f"{name:>9}".encode()) for name in NAMES}
    spool.publish("report.json", report_text({"made_by": MANIFEST}, files).encode())
    spool.close()
    assert not spool.open(MANIFEST, NAMES, False)
    return spool


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4])


def touch_up(path: Path) -> None:
    """Change a file's content, not its size nor its time."""
    times = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (empty, r"y\.png is empty \(0 bytes\)"),
        (cut, r"y\.png has 4 bytes, not 9"),
        (touch_up, r"y\.png has another content of the same size"),
        (
            lambda path: swap(path, path.with_name("z.png")),
            "2 of 3 pseudo-labels .*, and 1",
        ),
    ],
)
def test_finished_labels_that_changed_are_told(
    tmp_path: Path, damage: Any, told: str
) -> None:
    spool = finished(tmp_path)
    damage(tmp_path / "y.png")
    with pytest.raises(UserError, match=f"{told}.*anew with --overwrite"):
        spool.open(MANIFEST, NAMES, False)
    assert spool.open(MANIFEST, NAMES, True)
    assert not (tmp_path / "y.png").exists()


def test_a_copy_is_finished_too(tmp_path: Path) -> None:
    finished(tmp_path / "here")
    for copy in (shutil.copyfile, shutil.copy2):
        out = tmp_path / copy.__name__
        shutil.copytree(tmp_path / "here", out, copy_function=copy)
        assert not Spool(out).open(MANIFEST, NAMES, False)


def test_another_order_of_classes_is_another_run(tmp_path: Path) -> None:
    spool = finished(tmp_path)
    other = {**MANIFEST, "classes": ["sky", "road"]}
    with pytest.raises(UserError, match=r"classes \['road', 'sky'\] there, \['sky'"):
        spool.open(other, NAMES, False)
    # An earlier version didn't say.
    (tmp_path / "report.json").write_text('{"made_by": {"weights": "a"}}')
    assert not spool.open(other, NAMES, False)


@pytest.mark.parametrize("content", [b"", b"no gzip", None])
def test_damaged_predictions_are_made_again(tmp_path: Path, content: Any) -> None:
    spool = spooled(tmp_path)
    rng = np.random.default_rng(0)
    for index in (0, 1):
        bins = rng.integers(0, 65536, (5, 7), dtype=np.uint16)
        label = rng.integers(0, 9, (5, 7), dtype=np.uint8)
        spool.write(index, Prediction(label, bins, np.empty(0, np.uint8)))
    assert len(spool.read_whole([0, 1]) or ()) == 2
    assert spool.read_whole([0, 2]) is None
    (path,) = spool.folder.glob("*1.npy.gz")
    if content is None:
        content = bytearray(path.read_bytes())
        content[-6] ^= 1  # of the checksum
    path.write_bytes(content)
    assert spool.read_whole([0, 1]) is None


@pytest.mark.parametrize("name", ["report.json", ".unfinished/manifest.json"])
def test_what_says_whose_folder_it_is_can_be_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"{name} is damaged .*--overwrite"):
        Spool(tmp_path).open(MANIFEST, NAMES, False)
    assert Spool(tmp_path).open(MANIFEST, NAMES, True)
