"""Split lists as editors, shells and other projects write them."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders

from mmseg_cosda.datasets import split_lists
from mmseg_cosda.datasets.cityscapes import CheckedCityscapesDataset
from mmseg_cosda.datasets.folder import FolderSegDataset

NAMES = ["000", "001", "sub/002"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate([*NAMES, "003", "my image 4", "ünï/5", "#6"]):
        folders.save_image(tmp_path / f"toy/images/{name}.jpg", seed=seed)
        folders.save_ids(tmp_path / f"toy/labels/{name}.png", np.zeros((4, 8)))
    return tmp_path / "toy"


def read(root: Path, content: bytes | str, **prefix: str) -> list[str]:
    """Return the images that a list names, by name below images/, without suffix."""
    path = root / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    prefix = prefix or dict(img_path="images", seg_map_path="labels")
    dataset = FolderSegDataset(
        data_root=str(root),
        data_prefix=prefix,
        ann_file="train.txt",
        metainfo=dict(classes=("a",)),
        serialize_data=False,
    )
    images = [dataset.get_data_info(i)["img_path"] for i in range(len(dataset))]
    below = [Path(image).relative_to(root / "images") for image in images]
    return [path.with_suffix("").as_posix() for path in below]


PLAIN = "\n".join(NAMES)
FORMS: dict[str, bytes | str] = {
    "plain": PLAIN,
    "CRLF and blank lines": PLAIN.replace("\n", "\r\n\r\n \r\n").encode(),
    "old Mac": PLAIN.replace("\n", "\r").encode(),
    "UTF-8 with mark": codecs.BOM_UTF8 + PLAIN.encode(),
    "PowerShell": codecs.BOM_UTF16_LE + PLAIN.replace("\n", "\r\n").encode("utf-16-le"),
    "UTF-16 BE": codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
    "UTF-16 without mark": PLAIN.encode("utf-16-le"),
    "UTF-16 BE without mark": PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "suffix": "\n".join(f"{n}.jpg" for n in NAMES),
    "labels": "\n".join(f"{n}.png" for n in NAMES),
    "folder": "\n".join(f"images/{n}" for n in NAMES),
    "folder and suffix": "\n".join(f"./images/{n}.jpg" for n in NAMES),
    "root": "\n".join(f"toy/images/{n}.jpg" for n in NAMES),
    "path of another machine": "\n".join(f"/mnt/x/images/{n}.jpg" for n in NAMES),
    "path of Windows": "\n".join(f"D:\\x\\images\\{n}.jpg" for n in NAMES),
    "backslashes": "\n".join(f"images\\{n}" for n in NAMES).replace("/", "\\"),
    "two columns": "\n".join(f"images/{n}.jpg labels/{n}.png" for n in NAMES),
    "tabs": "\n".join(f"{n}.jpg\t{n}.png" for n in NAMES),
    "CSV with a header": "image,label\n"
    + "\n".join(f'"{n}.jpg", "{n}.png"' for n in NAMES),
    "quotes": "\n".join(f'"{n}.jpg"' for n in NAMES),
    "a word behind": "\n".join(f"{n} 1" for n in NAMES),
    "labels first": "\n".join(f"labels/{n}.png images/{n}.jpg" for n in NAMES),
    "comments": "# train\n000 # the first\n001.jpg  # next\nsub/002\n#003",
    "without folders": "000\n001.jpg\n002",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_list(root: Path, form: str) -> None:
    assert read(root, FORMS[form]) == NAMES
    if form != "labels first":
        assert read(root, FORMS[form], img_path="images") == NAMES


@pytest.mark.parametrize(
    "line",
    ["my image 4", "my image 4.jpg", "images/my image 4.jpg labels/my image 4.png"],
)
def test_names_with_blanks(root: Path, line: str) -> None:
    assert read(root, line) == ["my image 4"]
    assert read(root, f"'{line}'" if "labels" not in line else line) == ["my image 4"]


def test_names_that_are_not_ascii(root: Path) -> None:
    for encoding in ("utf-8", "utf-16", "cp1252"):
        assert read(root, "ünï\\5.jpg".encode(encoding)) == ["ünï/5"]
    assert read(root, "#6\n# 000") == ["#6"]


def test_duplicates_are_read_once_and_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(split_lists, "tell_once", lines.append)
    assert read(root, "000\n001\n000.jpg\nimages/000") == ["000", "001"]
    assert [line.partition(": ")[2] for line in lines] == [
        "2 lines repeat an image; each image is read once, 2 in all"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("000\n010\n", r"lists 1 images .*\[010\]; the closest names there: 0"),
        ("001.JPEG2", r"\[001\.JPEG2\]; the closest names there: 001"),
        ("Sub/002", r"\[Sub/002\]; the closest names there: sub/002"),
        ("other/000.jpg", r"lists 1 images .*\[other/000\.jpg\]; the closest .*000"),
        ("000\nimage", r"lists 1 images .*\[image\]"),
        ("qqqqqqqq", r"\[qqqqqqqq\]$"),
    ],
)
def test_names_that_are_missing(root: Path, content: str, message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        read(root, content)


def test_a_listed_image_of_another_type(root: Path) -> None:
    folders.save_image(root / "images/008.tif")
    with pytest.raises(FileNotFoundError, match=r"008\.tif, whose suffix isn't in"):
        read(root, "008.tif")


@pytest.mark.parametrize("content", ["", "\n\r\n", "# nothing", "image,label"])
def test_a_list_of_nothing(root: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"train\.txt .*lists no image; write one"):
        read(root, content)


def test_the_same_bare_name_in_two_folders_is_not_guessed(root: Path) -> None:
    folders.save_image(root / "images/other/002.jpg")
    folders.save_ids(root / "labels/other/002.png", np.zeros((4, 8)))
    with pytest.raises(FileNotFoundError, match=r"\[002\]; the closest names"):
        read(root, "002")


def test_a_label_of_another_name_is_refused(root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"pairs the image '000' with the label 'labels/001\.png', but"
    ):
        read(root, "images/000.jpg labels/001.png")
    assert read(root, "images/000.jpg 001.png", img_path="images") == ["000"]


def test_a_relative_list_lies_below_data_root(root: Path) -> None:
    options: dict[str, Any] = dict(data_root=str(root), metainfo=dict(classes=("a",)))
    with pytest.raises(FileNotFoundError, match="relative path starts at data_root"):
        FolderSegDataset(ann_file="val.txt", **options)


@pytest.mark.parametrize(
    "line",
    [
        "{s}",
        "{s}_leftImg8bit",
        "{s}_leftImg8bit.png",
        "leftImg8bit/train/{s}_leftImg8bit.png gtFine/train/{s}_gtFine_labelIds.png",
        "/x/leftImg8bit/train/{s}_leftImg8bit.png\t{s}_gtFine_labelTrainIds.png",
    ],
)
def test_lists_of_cityscapes(tmp_path: Path, line: str) -> None:
    root = folders.make_cityscapes(tmp_path, np.full((4, 8), 7))
    stem = folders.CITYSCAPES_STEMS["train"][1]
    path = tmp_path / "list.txt"
    for name in (stem, stem.partition("/")[2]):
        path.write_text(line.format(s=name))
        if name != stem and "/" in line:
            continue
        dataset = CheckedCityscapesDataset(
            data_root=str(root), ann_file=str(path), serialize_data=False
        )
        assert [Path(i["img_path"]).parent.name for i in dataset.data_list] == ["ulm"]


def test_an_exclude_file_in_the_encoding_of_powershell(root: Path) -> None:
    path = root / "bad.txt"
    path.write_bytes("images\\000.jpg\r\n001  # corrupt\r\n".encode("utf-16"))
    dataset = FolderSegDataset(
        data_root=str(root),
        data_prefix=dict(img_path="images"),
        exclude=str(path),
        metainfo=dict(classes=("a",)),
        serialize_data=False,
    )
    assert len(dataset) == 5
