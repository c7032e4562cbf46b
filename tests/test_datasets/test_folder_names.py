"""Folders as people have them: suffixes, stray files, links, keys and None."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import mmengine.fileio
import numpy as np
import pytest
from helpers import folders

from mmseg_cosda.datasets import file_names, folder_listing
from mmseg_cosda.datasets.cityscapes import CheckedCityscapesDataset
from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.gta5 import GTA5Dataset

LABELLED = dict(img_path="images", seg_map_path="labels")
UNLABELLED = dict(img_path="images")


class Log:
    """The lines that a dataset writes, by level."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[int, str]] = []
        monkeypatch.setattr(file_names, "print_log", self.write)

    def write(self, text: str, logger: str, level: int) -> None:
        assert logger == "current"
        self.lines.append((level, text))

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images with labels, 0.jpg to 3.jpg."""
    for i in range(4):
        folders.save_image(tmp_path / f"images/{i}.jpg", seed=i)
        folders.save_ids(tmp_path / f"labels/{i}.png", np.zeros((4, 8)))
    return tmp_path


def rename(root: Path, names: dict[str, str]) -> None:
    for old, new in names.items():
        (root / old).rename(root / new)


def read(root: Path, **options: Any) -> list[dict[str, Any]]:
    defaults: dict[str, Any] = dict(data_prefix=LABELLED, serialize_data=False)
    options = defaults | options
    options["metainfo"] = dict(classes=("a", "b"))
    dataset = FolderSegDataset(data_root=str(root), **options)
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def names(infos: list[dict[str, Any]], key: str = "img_path") -> list[str]:
    return [Path(info[key]).name for info in infos]


def test_jpg_jpeg_and_png_in_any_case_by_their_real_names(root: Path, log: Log) -> None:
    rename(root, {"images/1.jpg": "images/1.JPG", "images/2.jpg": "images/2.Jpeg"})
    rename(root, {"images/3.jpg": "images/3.png", "labels/3.png": "labels/3.PNG"})
    infos = read(root)
    assert names(infos) == ["0.jpg", "1.JPG", "2.Jpeg", "3.png"]
    assert names(infos, "seg_map_path") == ["0.png", "1.png", "2.png", "3.PNG"]
    assert all(Path(info["img_path"]).is_file() for info in infos)
    assert not log.lines
    unlabelled = read(root, data_prefix=UNLABELLED)
    assert names(unlabelled) == names(infos)
    assert "4 images (1 .JPG, 1 .Jpeg, 1 .jpg, 1 .png)" in log.text


@pytest.mark.parametrize("suffix", ["jpg", ".jpg", "*.jpg", [".jpg"], ("JPG", "tif")])
def test_suffixes_as_people_write_them(root: Path, suffix: Any) -> None:
    assert names(read(root, img_suffix=suffix)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_a_suffix_that_is_given_narrows_and_says_so(root: Path, log: Log) -> None:
    folders.save_image(root / "images/4.png")
    infos = read(root, data_prefix=UNLABELLED, img_suffix=".jpg")
    assert len(infos) == 4
    assert [level for level, _ in log.lines] == [logging.WARNING]
    assert "4 images (4 .jpg); skipped 1 .png; img_suffix chooses" in log.text


def test_pictures_of_other_types_are_never_left_out_silently(
    root: Path, log: Log
) -> None:
    folders.save_image(root / "images/4.tif")
    folders.save_image(root / "images/5.bmp")
    (root / "images/notes.txt").touch()
    assert len(read(root, data_prefix=UNLABELLED)) == 4
    assert log.lines[0][0] == logging.WARNING
    assert "skipped 1 .bmp, 1 .tif, 1 .txt" in log.text
    assert len(read(root, data_prefix=UNLABELLED, img_suffix=["jpg", "tif"])) == 5
    folders.save_ids(root / "labels/4.png", np.zeros((4, 8)))
    with pytest.raises(ValueError, match=r"4\.tif is there: does img_suffix lack '\.t"):
        read(root)


def test_label_suffixes(root: Path) -> None:
    rename(root, {f"labels/{i}.png": f"labels/{i}_mask.png" for i in range(4)})
    with pytest.raises(
        ValueError, match=r"0_mask\.png is there: does seg_map_suffix lack '_mask\.png'"
    ):
        read(root)
    rename(root, {"labels/3_mask.png": "labels/3_mask.TIF"})
    infos = read(root, seg_map_suffix=["_mask.png", "_mask.tif"])
    assert names(infos, "seg_map_path")[2:] == ["2_mask.png", "3_mask.TIF"]


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("_leftImg8bit", "'_leftImg8bit' is no end of a file name; write the ext"),
        ("", "is no end of a file name"),
        ([".jpg", None], "None is no end of a file name"),
        ([], "names no suffix"),
    ],
)
def test_suffixes_that_name_nothing(root: Path, suffix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"img_suffix of FolderSegDataset=.*{message}"):
        read(root, img_suffix=suffix)


@pytest.mark.parametrize("prefix", [LABELLED, UNLABELLED])
def test_two_images_of_one_stem(root: Path, prefix: dict[str, str]) -> None:
    folders.save_image(root / "images/2.PNG")
    with pytest.raises(
        ValueError, match=r"images: 2\.PNG and 2\.jpg are both read for '2'"
    ):
        read(root, data_prefix=prefix)
    for choice in (dict(img_suffix=".jpg"), dict(exclude=["images/2.PNG"])):
        assert names(read(root, data_prefix=prefix, **choice))[2] == "2.jpg"
    assert names(read(root, data_prefix=prefix, exclude=["2.jpg"]))[2] == "2.PNG"
    assert len(read(root, data_prefix=prefix, exclude=["2"])) == 3


def test_two_labels_of_one_stem(root: Path) -> None:
    folders.save_image(root / "labels/2.tif")
    with pytest.raises(ValueError, match=r"2\.png and 2\.tif .*seg_map_suffix='\.png'"):
        read(root, seg_map_suffix=("png", "tif"))


STRAYS = {
    "._0.jpg": "1 ._*",
    ".DS_Store": "1 .DS_Store",
    "Thumbs.db": "1 Thumbs.db",
    ".ipynb_checkpoints/0-checkpoint.jpg": "1 .ipynb_checkpoints/",
    "@eaDir/0.jpg": "1 @eaDir/",
    "sub/__MACOSX/0.jpg": "1 __MACOSX/",
    ".hidden.jpg": "1 .*",
}


@pytest.mark.parametrize("folder", ["images", "labels"])
@pytest.mark.parametrize("name", STRAYS)
def test_what_file_managers_leave_is_skipped_and_named(
    root: Path, log: Log, folder: str, name: str
) -> None:
    suffix = ".jpg" if folder == "images" else ".png"
    path = root / folder / name.replace(".jpg", suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    for _ in range(2):
        assert names(read(root)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert len(log.lines) == 1
    assert f"skipped {STRAYS[name]}" in log.text
    assert ("beside the labels" in log.text) == (folder == "labels")


def test_a_clean_folder_says_nothing(root: Path, log: Log) -> None:
    assert len(read(root)) == len(read(root, data_prefix=UNLABELLED)) == 4
    assert not log.lines


@pytest.mark.parametrize("target", ["..", ".", "loop", "../..", "../images", "/"])
def test_linked_folders_that_lead_back(root: Path, log: Log, target: str) -> None:
    (root / "images/loop").symlink_to(target)
    for prefix in (LABELLED, UNLABELLED):
        assert names(read(root, data_prefix=prefix)) == [f"{i}.jpg" for i in range(4)]
    kind = "links to files" if target == "loop" else "linked folders that are read"
    assert kind in log.text


def test_linked_folders_are_read_once(root: Path, log: Log) -> None:
    night = root / "elsewhere/night"
    folders.save_image(night / "9.jpg")
    (night / "up").symlink_to(root / "elsewhere")
    (root / "images/a").symlink_to(night)
    (root / "images/b").symlink_to(night)
    infos = read(root, data_prefix=UNLABELLED)
    assert [Path(i["img_path"]).relative_to(root / "images").as_posix() for i in infos][
        4:
    ] == ["a/9.jpg"]
    assert "skipped 2 linked folders that are read already" in log.text


def test_real_folders_keep_their_names_before_links(root: Path) -> None:
    folders.save_image(root / "images/z/9.jpg")
    (root / "images/a").symlink_to("z")
    assert read(root, data_prefix=UNLABELLED)[-1]["img_path"].endswith("z/9.jpg")


def test_images_folder_and_files_may_be_links(root: Path, log: Log) -> None:
    rename(root, {"images": "real"})
    (root / "images").symlink_to(root / "real")
    (root / "real/lost.jpg").symlink_to("nowhere.jpg")
    rename(root, {"real/0.jpg": "pool.jpg"})
    (root / "real/0.jpg").symlink_to(root / "pool.jpg")
    assert len(read(root, data_prefix=UNLABELLED)) == 4
    assert log.lines[0][0] == logging.WARNING
    assert "1 links to files that don't exist" in log.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(root: Path) -> None:
    (root / "images/closed").mkdir(mode=0)
    with pytest.raises(ValueError, match="closed' may not be read"):
        read(root)


def test_another_backend_skips_the_same(root: Path, log: Log) -> None:
    class Remote:
        def list_dir_or_file(self, folder: str, **options: Any) -> list[str]:
            assert options == dict(list_dir=False, recursive=True)
            return ["b\\1.jpg", "a.jpg", ".cache/2.jpg", "b/._1.jpg"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.fileio, "get_file_backend", lambda *_, **__: Remote())
        listing = folder_listing.list_files("s3://bucket/images")
    assert listing.names == ("a.jpg", "b/1.jpg")
    assert listing.skipped == {".cache": 1, "._*": 1}


def test_images_and_labels_in_one_folder(tmp_path: Path) -> None:
    for i in range(2):
        folders.save_image(tmp_path / f"sub/{i}.jpg")
        folders.save_ids(tmp_path / f"sub/{i}.png", np.zeros((4, 8)))
    infos = read(tmp_path, data_prefix=None)
    assert names(infos) == ["0.jpg", "1.jpg"]
    assert names(infos, "seg_map_path") == ["0.png", "1.png"]
    rename(tmp_path, {f"sub/{i}.png": f"sub/{i}_gt.png" for i in range(2)})
    infos = read(tmp_path, data_prefix=None, seg_map_suffix="_gt.png")
    assert names(infos) == ["0.jpg", "1.jpg"]
    assert names(infos, "seg_map_path") == ["0_gt.png", "1_gt.png"]


def test_labels_beside_unlabelled_images_are_no_images(
    tmp_path: Path, log: Log
) -> None:
    for i in range(2):
        folders.save_image(tmp_path / f"{i}.jpg")
        folders.save_image(tmp_path / f"{i}_color.jpg")
        folders.save_ids(tmp_path / f"{i}_mask.png", np.zeros((4, 8)))
    assert names(read(tmp_path, data_prefix=dict(img_path=""))) == ["0.jpg", "1.jpg"]
    assert "skipped 4 labels beside their images" in log.text


def test_a_label_folder_below_the_image_folder(root: Path) -> None:
    rename(root, {"images": "tmp"})
    rename(root, {"labels": "tmp/labels", "tmp": "images"})
    prefix = dict(img_path="images", seg_map_path="images/labels")
    assert names(read(root, data_prefix=prefix)) == [f"{i}.jpg" for i in range(4)]


def test_names_that_end_like_labels_stay_images(root: Path, log: Log) -> None:
    """RGB-D sets name their images 0_color.png: each has a label of its own name."""
    rename(root, {f"images/{i}.jpg": f"images/{i}_color.jpg" for i in range(4)})
    assert len(read(root, data_prefix=UNLABELLED)) == 4
    rename(root, {f"labels/{i}.png": f"labels/{i}_color.png" for i in range(4)})
    assert len(read(root)) == 4
    assert not log.lines


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("img", "img_path"),
        ("image_path", "img_path"),
        ("imgs_path", "img_path"),
        ("img_dir", "img_path"),
        ("ann", "seg_map_path"),
        ("ann_dir", "seg_map_path"),
        ("segmap_path", "seg_map_path"),
        ("label", "seg_map_path"),
    ],
)
def test_keys_of_the_prefix_that_are_none(root: Path, key: str, meant: str) -> None:
    with pytest.raises(
        ValueError,
        match=f"data_prefix of FolderSegDataset: .* no key '{key}'; write '{meant}'",
    ):
        read(root, data_prefix={**UNLABELLED, key: "labels"})


def test_unknown_keys_and_values_of_the_prefix(root: Path) -> None:
    with pytest.raises(ValueError, match="no key 'xyz'; images are 'img_path'"):
        read(root, data_prefix=dict(xyz="labels"))
    with pytest.raises(ValueError, match=r"data_prefix\.img_path=\['images'\] of"):
        read(root, data_prefix=dict(img_path=["images"]))


def test_none_removes(tmp_path: Path) -> None:
    gta = folders.make_gta5(tmp_path / "gta", np.zeros((4, 8)))
    for prefix in (
        dict(seg_map_path=None),
        dict(img_path=None, seg_map_path=None),
        dict(img_path="images", seg_map_path=None),
    ):
        dataset = GTA5Dataset(data_root=gta, data_prefix=prefix, serialize_data=False)
        assert len(dataset) == 2
        assert "seg_map_path" not in dataset.get_data_info(0)
    dataset = GTA5Dataset(
        data_root=str(gta),
        img_suffix=None,
        seg_map_suffix=None,
        exclude=None,
        ann_file=None,
    )
    assert len(dataset) == 2


def test_own_suffixes_of_the_public_datasets_say_what_is_left(
    tmp_path: Path, log: Log
) -> None:
    ids = np.zeros((4, 8))
    city = folders.make_cityscapes(tmp_path, ids)
    train = city / "leftImg8bit/train/ulm"
    folders.save_image(train / "ulm_000009_000019_leftImg8bit.jpg")
    dataset = CheckedCityscapesDataset(
        data_root=str(city), data_prefix=dict(img_path="leftImg8bit/train")
    )
    assert len(dataset) == 2
    assert "2 images (2 .png); skipped 1 .jpg" in log.text
