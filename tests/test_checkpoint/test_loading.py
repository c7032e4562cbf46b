from __future__ import annotations

import io
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from torch import nn

import mmseg_cosda  # noqa: F401  (registers the loaders)
from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.errors import UserError


class RunsCode:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def with_pickle(path: Path, pickled: bytes) -> None:
    """Write a torch file whose pickle is the given bytes."""
    whole = io.BytesIO()
    torch.save({}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            is_pickle = entry.filename.endswith("/data.pkl")
            target.writestr(entry, pickled if is_pickle else source.read(entry))


def history_trick(path: Path, marker: Path) -> None:
    """Write a file that runs code through HistoryBuffer and getattr.

    Pickle protocol 2, by hand: ``run = getattr(getattr(getattr, "__self__"), "exec")``
    becomes the ``update`` of one buffer, which stands for the statistics of another,
    whose ``__setstate__`` calls it with the code.
    """

    def text(value: str) -> bytes:
        data = value.encode()
        return b"X" + len(data).to_bytes(4, "little") + data

    get = b"c__builtin__\ngetattr\n"
    builtins = get + b"(" + get + text("__self__") + b"tR"
    run = get + b"(" + builtins + text("exec") + b"tR"
    buffer = b"cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81"
    harmless = b"c__builtin__\nslice\n"
    inner = buffer + b"}(" + text("update") + run + text("setdefault") + harmless
    inner += b"ub"
    code = text(f"open({str(marker)!r}, 'w').close()")
    outer = buffer + b"}(" + text("_statistics_methods") + inner + b"ub"
    outer += b"}(" + text("statistics_methods") + code + b"ub"
    with_pickle(path, b"\x80\x02" + outer + b".")


def training_checkpoint() -> dict[str, Any]:
    """Everything that mmengine writes beside weights."""
    net = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    history = HistoryBuffer([0.5, 0.25], [1, 1], max_length=100)
    return {
        "meta": {"iter": 2, "cfg": "a = 1", "dataset_meta": {"palette": [[1, 2, 3]]}},
        "state_dict": OrderedDict(net.state_dict()),
        "optimizer": optimizer.state_dict(),
        "message_hub": {
            "log_scalars": {"train/loss": history},
            "runtime_info": {
                "best_score": np.float64(0.5),
                "pixels": np.arange(3),
                "share": np.float32(0.25),
                "kept": np.bool_(True),
                "counts": np.zeros(2, dtype=np.uint8),
                "window": slice(0, 2),
            },
        },
    }


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "iter_2.pth"
    torch.save(training_checkpoint(), path)
    return path


def test_everything_that_mmengine_saves_is_read(good: Path) -> None:
    loaded = CheckpointLoader.load_checkpoint(str(good), map_location="cpu")
    history = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(history, HistoryBuffer)
    assert history.statistics("mean", 2) == 0.375
    assert (history.current(), history.min(), history.max()) == (0.25, 0.25, 0.5)
    info = loaded["message_hub"]["runtime_info"]
    assert info["best_score"] == 0.5
    assert isinstance(info["best_score"], np.float64)
    assert info["pixels"].tolist() == [0, 1, 2]
    assert bool(info["kept"]) is True
    assert info["window"] == slice(0, 2)
    assert loaded["optimizer"]["state"][0]["step"] == 1


def test_histories_written_with_older_numpy_are_read(tmp_path: Path) -> None:
    # numpy 1 pickles its scalars under numpy.core, numpy 2 under numpy._core.
    path = tmp_path / "old.pth"
    torch.save({"best": np.float64(0.5)}, path)
    with zipfile.ZipFile(path) as file:
        name = next(n for n in file.namelist() if n.endswith("/data.pkl"))
        pickled = file.read(name)
    other = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    if other == pickled:
        other = pickled.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    assert other != pickled
    with_pickle(path, other)
    assert load_checkpoint_file(path) == {"best": 0.5}


def test_map_location_is_respected(good: Path) -> None:
    loaded = CheckpointLoader.load_checkpoint(str(good), map_location="meta")
    assert loaded["state_dict"]["weight"].device.type == "meta"


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_runs_code_is_refused(tmp_path: Path, legacy: bool) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "ran"
    checkpoint = training_checkpoint() | {"extra": RunsCode(marker)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"evil\.pth is refused.*system"):
        CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the file does what it is feared for
    assert marker.exists()


def test_history_buffers_do_not_open_a_way_to_code(tmp_path: Path) -> None:
    path, marker = tmp_path / "trick.pth", tmp_path / "ran"
    history_trick(path, marker)
    with pytest.raises(UserError, match=r"getattr .* is not allowed"):
        load_checkpoint_file(path)
    assert not marker.exists()
    # With the raw getattr allowed, as the host's fork does, it runs.
    torch.serialization.add_safe_globals([HistoryBuffer, slice, getattr])
    try:
        torch.load(path, weights_only=True)
        assert marker.exists()
        marker.unlink()
        # A getattr that somebody else allowed doesn't reach our loader.
        with pytest.raises(UserError, match=r"getattr .* is not allowed"):
            load_checkpoint_file(path)
        assert not marker.exists()
        assert getattr in torch.serialization.get_safe_globals()
    finally:
        torch.serialization.clear_safe_globals()


@pytest.mark.parametrize("name", ["__init__", "__globals__", "update", "statistics"])
def test_only_the_four_statistics_are_handed_out(tmp_path: Path, name: str) -> None:
    data = name.encode()
    get = b"c__builtin__\ngetattr\n(cmmengine.logging.history_buffer\nHistoryBuffer\n"
    get += b"X" + len(data).to_bytes(4, "little") + data + b"tR"
    with_pickle(tmp_path / "a.pth", b"\x80\x02" + get + b".")
    with pytest.raises(UserError, match="is not allowed"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_the_allowlist_stays_local(good: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    load_checkpoint_file(good)
    assert set(torch.serialization.get_safe_globals()) == before


def test_truncated_foreign_and_missing_files_are_told_apart(
    tmp_path: Path, good: Path
) -> None:
    cut = tmp_path / "cut.pth"
    cut.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"cut\.pth"):
        load_checkpoint_file(cut)
    empty = tmp_path / "empty.pth"
    empty.touch()
    with pytest.raises(UserError, match=r"empty\.pth cannot be read"):
        load_checkpoint_file(empty)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(UserError, match=r"picture\.png"):
        load_checkpoint_file(picture)
    with pytest.raises(FileNotFoundError, match=r"none\.pth does not exist"):
        load_checkpoint_file(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [torch.zeros(3), [1], 7])
def test_no_dict_is_one_line(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    kind = type(content).__name__
    with pytest.raises(UserError, match=rf"a\.pth holds a {kind}, no weights"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "a.pth"), map_location="cpu")
