"""Work folders with anything in them: the newest whole checkpoint of this one."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from mmengine.hooks import CheckpointHook

from mmseg_cosda.checkpoint.newest import newest_whole
from mmseg_cosda.engine.run_start import choose_start, remove_leftovers, reroot
from mmseg_cosda.work_dir import (
    last_checkpoint,
    read_curve,
    read_last_evaluation,
    read_lines,
    was_evaluated,
    write_last_evaluation,
)

Fault = Literal["", "cut", "flipped", "empty", "text", "weights", "folder", "tensor"]
WHOLE: tuple[Fault, ...] = ("",) * 5
FAULTS: tuple[Fault, ...] = ("cut", "flipped", "empty", "text", "weights", "tensor")


class File(NamedTuple):
    step: int
    day: int  # on which it was written
    fault: Fault
    place: float  # of the cut or the flipped bit
    old: bool  # torch's format before the zip


FILES = st.lists(
    st.builds(
        File,
        st.integers(0, 9).map(lambda n: 50 * n),
        st.integers(1, 3),
        st.sampled_from([*WHOLE, *FAULTS, "folder"]),
        st.floats(0, 0.999),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda file: file.step,
)
STRANGE = (
    "best_mIoU_iter_9000.pth",
    "iter_9000.pth.bak",
    ".iter_9000.pth.abcd1234",
    ".iter_9000.pth.my-copy",
    "..replaced.json.x_7abcde",
    ".last_evaluation.a1b2c3d4",
    ".notes.txt.abcd1234",
    "iter_.pth",
    "my_iter_9000.pth",
    "iter_9000_old.pth",
)
LEFT_BY_KILLS = {
    ".iter_9000.pth.abcd1234",
    "..replaced.json.x_7abcde",
    ".last_evaluation.a1b2c3d4",
}
POINTERS = (
    None,
    "",
    "nonsense\0",
    "elsewhere/iter_9000.pth",
    "iter_9000.pth",
    "/missing/iter_450.pth",
    "{here}/iter_0.pth",
    "{here}/iter_450.pth",
    "{other}/iter_9000.pth",
)


def weight_of(step: int) -> float:
    """Return a value whose bytes stand in a file as weights alone."""
    return step + 0.625


@functools.cache
def written(step: int, day: int, old: bool, kind: str) -> bytes:
    meta = {"iter": step, "epoch": 0, "time": f"2026010{day}_000000"}
    weights = {"w": torch.full((50,), weight_of(step))}
    content: Any = {"meta": meta, "state_dict": weights, "optimizer": {}}
    if kind == "weights":
        del content["optimizer"]
    if kind == "tensor":
        content = weights["w"]
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def write(folder: Path, file: File) -> bool:
    """Write a file; return whether it is whole."""
    path = folder / f"iter_{file.step}.pth"
    content = written(file.step, file.day, file.old, file.fault)
    place = int(file.place * len(content))
    if file.fault == "folder":
        path.mkdir()
        return False
    if file.fault == "cut":
        content = content[:place]
    elif file.fault == "flipped":  # within a weight, which the zip's CRC covers
        whole = content
        weight = torch.full((9,), weight_of(file.step)).numpy().tobytes()
        at = content.index(weight)
        content = content[:at] + b"\x07" + content[at + 1 :]
        assert content != whole
        path.write_bytes(content)
        return file.old  # the old format has no CRC
    elif file.fault == "empty":
        content = b""
    elif file.fault == "text":
        content = b"a note of somebody's"
    path.write_bytes(content)
    return file.fault == ""


@examples(40)
@given(FILES, st.sets(st.sampled_from(STRANGE)), st.sampled_from(POINTERS))
def test_it_is_the_newest_whole_one_of_this_folder(
    files: list[File], strange: set[str], pointer: str | None
) -> None:
    with TemporaryDirectory() as root:
        here, other = Path(root, "here"), Path(root, "other")
        for folder in (here, other):
            folder.mkdir()
        newer = written(9000, 9, False, "")
        (other / "iter_9000.pth").write_bytes(newer)
        for name in strange:
            (here / name).write_bytes(newer)
        if pointer is not None:
            text = pointer.format(here=here, other=other)
            (here / "last_checkpoint").write_text(text)
        whole = [file for file in files if write(here, file)]
        best = max(whole, key=lambda f: (f.day, f.step), default=None)
        expected = None if best is None else here / f"iter_{best.step}.pth"
        found = newest_whole(here)
        assert found.path == expected
        assert found.iteration == (None if best is None else best.step)
        assert last_checkpoint(here) == found.iteration
        broken = {f"iter_{f.step}.pth" for f in files if f not in whole}
        assert {name for name, _ in found.damaged} <= broken
        assert all("\n" not in text for _, text in found.damaged)
        runner = SimpleNamespace(
            _resume=True,
            _load_from=None,
            hooks=[CheckpointHook(by_epoch=False)],
            work_dir=str(here),
            seed=0,
            cfg=SimpleNamespace(filename=None),
        )
        start = choose_start(runner)
        assert (start.resume, start.weights) == (
            None if expected is None else str(expected),
            None,
        )
        assert len(start.lines) == len(found.damaged) + 1
        remove_leftovers(here)
        left = {path.name for path in here.iterdir()}
        assert strange - left == strange & LEFT_BY_KILLS
        assert newest_whole(here) == found


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_cut_anywhere_is_refused_in_a_line(old: bool) -> None:
    content = written(50, 1, old, "")
    with TemporaryDirectory() as root:
        path = Path(root, "iter_50.pth")
        path.write_bytes(content)
        assert newest_whole(root).path == path
        for length in range(0, len(content), 7 if old else 29):
            path.write_bytes(content[:length])
            found = newest_whole(root)
            assert found.path is None
            assert [name for name, _ in found.damaged] == ["iter_50.pth"]


@examples(20)
@given(
    st.sampled_from(["here", "other", "gone"]),
    st.sampled_from(["best_mIoU_iter_5.pth", "best_aAcc_iter_10.pth"]),
    st.booleans(),
)
def test_a_best_checkpoint_is_this_folders_or_none(
    folder: str, name: str, there: bool
) -> None:
    with TemporaryDirectory() as root:
        for part in ("here", "other"):
            Path(root, part).mkdir()
        Path(root, "other", name).touch()
        if there:
            Path(root, "here", name).touch()
        info = {"best_ckpt": f"{root}/{folder}/{name}", "best_score": 50.0}
        info["last_ckpt"] = f"{root}/{folder}/iter_10.pth"
        reroot(info, Path(root, "here"))
        assert info["last_ckpt"] == f"{root}/here/iter_10.pth"
        wanted = f"{root}/here/{name}" if there else None
        assert info.get("best_ckpt") == wanted
        assert info.get("best_score") == (50.0 if there else None)


@examples(25)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True),
    st.floats(0, 1),
)
def test_a_log_that_was_cut_off_tells_what_it_told_before(
    steps: list[int], cut: float
) -> None:
    lines = [{"mIoU": step / 3, "IoU.car": 1e-7 * step, "step": step} for step in steps]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with TemporaryDirectory() as root:
        path = Path(root, "20260101_000000", "vis_data", "scalars.json")
        path.parent.mkdir(parents=True)
        path.write_text(text[: int(cut * len(text))])
        found = read_lines(Path(root))
        assert found == lines[: len(found)]
        assert len(found) >= path.read_text().count("\n")
        wanted = {line["step"]: line["mIoU"] for line in found}
        curve = read_curve(Path(root))
        assert {step: each["mIoU"] for step, each in curve.items()} == wanted
        assert [*curve] == sorted(curve)
        for step in steps:  # without a note what was logged counts
            assert was_evaluated(Path(root), step) == (step in wanted)
        write_last_evaluation(Path(root), steps[0], {"mIoU": cut, "name": "a"})
        assert read_last_evaluation(Path(root)) == (steps[0], {"mIoU": cut})
        assert [was_evaluated(Path(root), s) for s in steps] == [
            s == steps[0] for s in steps
        ]
