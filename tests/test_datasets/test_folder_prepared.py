"""Folders that were prepared for other code, read as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.registry import init_default_scope

from mmseg_cosda.datasets import file_names
from mmseg_cosda.datasets.check import check_dataset
from mmseg_cosda.datasets.cityscapes import CheckedCityscapesDataset
from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.gta5 import GTA5Dataset
from mmseg_cosda.datasets.synthia import SYNTHIADataset

GTA_IDS = np.array([[7, 21, 26, 0]] * 2)  # road, vegetation, car, void
SYNTHIA_IDS = np.array([[3, 6, 8, 0]] * 2)
TRAIN_IDS = np.array([[0, 8, 13, 255]] * 2)
TRAIN_IDS_16 = np.array([[0, 8, 12, 255]] * 2)  # car is the 13th of 16 classes
PIPELINE: list[Any] = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds", strict=True),
    dict(type="PackSegInputs"),
]


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmseg")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(file_names, "print_log", lambda text, **_: lines.append(text))
    return lines


def gta5(root: Path) -> Path:
    folders.make_gta5(root, GTA_IDS)
    for path in list(root.glob("labels/*.png")):
        folders.save_ids(path.with_name(f"{path.stem}_labelTrainIds.png"), TRAIN_IDS)
    return root


def synthia(root: Path) -> Path:
    folders.make_synthia(root, SYNTHIA_IDS)
    for path in list(root.glob("GT/LABELS/*.png")):
        folders.save_ids(path.with_name(f"{path.stem}_labelTrainIds.png"), TRAIN_IDS)
        folders.save_image(root / "GT/COLOR" / path.name)
    return root


CASES = {
    "gta5": (GTA5Dataset, gta5, TRAIN_IDS),
    "synthia": (SYNTHIADataset, synthia, TRAIN_IDS_16),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", [None, "_labelTrainIds.png", "_LABELTRAINIDS.PNG"])
def test_train_ids_beside_raw_ids(
    tmp_path: Path, name: str, suffix: str | None
) -> None:
    kind, make, expected = CASES[name]
    root = make(tmp_path)
    dataset = kind(data_root=str(root), seg_map_suffix=suffix, pipeline=PIPELINE)
    assert len(dataset) == 2
    for i in range(2):
        info = dataset.get_data_info(i)
        assert info["id_map"] == ("train_ids" if suffix else name)
        assert info["seg_map_path"].endswith("_labelTrainIds.png") == bool(suffix)
        labels = dataset[i]["data_samples"].gt_sem_seg.data[0].numpy()
        assert (labels == expected).all()


@pytest.mark.parametrize("name", CASES)
def test_train_ids_alone(tmp_path: Path, name: str) -> None:
    kind, make, expected = CASES[name]
    root = make(tmp_path)
    for path in root.rglob("labels/*.png" if name == "gta5" else "GT/LABELS/*.png"):
        if "Train" not in path.name:
            path.unlink()
    sample = kind(data_root=str(root), pipeline=PIPELINE)[1]
    assert (sample["data_samples"].gt_sem_seg.data[0].numpy() == expected).all()


@pytest.mark.parametrize("suffix", [None, "_labelTrainIds.png"])
def test_the_checker_finds_nothing_wrong(
    tmp_path: Path, suffix: str | None, log: list[str]
) -> None:
    config = dict(type="GTA5Dataset", data_root=str(gta5(tmp_path)), pipeline=PIPELINE)
    report = check_dataset("x", dict(config, seg_map_suffix=suffix), progress=False)
    assert not report.problems
    assert report.num_images == 2
    assert report.pixels[[0, 8, 13, 255]].tolist() == [4, 4, 4, 4]
    assert len(log) == (suffix is None)
    assert all("skipped 2 other forms of the same labels" in line for line in log)


def test_a_label_whose_image_is_missing_is_still_told(tmp_path: Path) -> None:
    root = gta5(tmp_path)
    (root / "images/00002.png").unlink()
    with pytest.raises(
        ValueError, match=r"1 images .*2 labels .*without image \[00002\]"
    ):
        GTA5Dataset(data_root=str(root))


def test_files_that_are_no_known_form_are_still_told(tmp_path: Path) -> None:
    root = gta5(tmp_path)
    folders.save_palette(root / "labels/00001_2.png", GTA_IDS)
    folders.save_palette(root / "labels/00003.png", GTA_IDS)
    with pytest.raises(ValueError, match=r"without image \[00001_2, 00003\]"):
        GTA5Dataset(data_root=str(root))


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
@pytest.mark.parametrize("suffix", [None, ".png"])
def test_companions_of_cityscapes_are_no_labels(
    tmp_path: Path, kind: str, suffix: str | None, log: list[str]
) -> None:
    """The tree as unpacked; and its files under plain names, with any suffix."""
    root = folders.make_cityscapes(tmp_path, GTA_IDS, TRAIN_IDS)
    if suffix is None:
        dataset = CheckedCityscapesDataset(
            data_root=str(root),
            seg_map_suffix=f"_gtFine_{kind}.png",
            pipeline=PIPELINE,
        )
        assert (dataset[0]["data_samples"].gt_sem_seg.data.numpy() == TRAIN_IDS).all()
        assert not log
        return
    for path in list(root.glob("gtFine/train/*/*.png")):
        name = path.name.replace(f"_gtFine_{kind}.png", "_leftImg8bit.png")
        path.rename(path.with_name(name))
    plain = FolderSegDataset(
        data_root=str(root),
        data_prefix=dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train"),
        metainfo=dict(classes=("a",)),
    )
    assert len(plain) == 2
    assert "skipped 6 other forms of the same labels" in log[0]


COMPANIONS = [
    "_labelTrainIds",
    "_labelIds",
    "_gt_labelTrainIds",
    "_gt_labelColor",
    "_gt_invIds",
    "_gtFine_color",
    "_gtCoarse_instanceIds",
    "_instanceTrainIds",
    "_color",
    "_train_id",
    "_train_color",
    "_panoptic",
]


@pytest.mark.parametrize("ending", COMPANIONS)
def test_known_second_forms(ending: str) -> None:
    assert file_names.is_companion(f"a/1{ending}", {"a/1": 1})
    assert file_names.is_companion(f"a/2{ending}", {"a/1": 1})
    assert not file_names.is_companion(f"a/1{ending}", {f"a/1{ending}": 1})
    assert file_names.is_companion(f"a/1{ending}", {"a/1": 1}, images=True)
    assert not file_names.is_companion(f"a/2{ending}", {"a/1": 1}, images=True)


@pytest.mark.parametrize("name", ["a/1_2", "a/1_b", "color", "a/color", "a/1_colorado"])
def test_names_of_their_own(name: str) -> None:
    assert not file_names.is_companion(name, {"a/1": 1})
    assert not file_names.is_companion(name, {"a/1": 1}, images=True)
