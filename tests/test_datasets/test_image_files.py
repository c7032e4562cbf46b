"""What training doesn't read of an image file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_cosda.datasets.check import check_dataset
from mmseg_cosda.datasets.image_files import lost_information
from mmseg_cosda.datasets.transforms import LoadImageFromFile
from mmseg_cosda.errors import UserError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 16, 3)).astype(np.uint8)
MASK = np.where(np.arange(16) < 7, 0, 255).astype(np.uint8) + np.zeros(
    (12, 1), np.uint8
)
SOFT = MASK.copy()
SOFT[0, :5] = [10, 40, 90, 130, 200]
INFRARED = RNG.integers(0, 256, (12, 16)).astype(np.uint8)


def write(path: Path, pixels: Array) -> bytes:
    assert cv2.imwrite(str(path), pixels)
    return path.read_bytes()


def pages(path: Path) -> bytes:
    one = Image.fromarray(RGB)
    one.save(path, save_all=True, append_images=[one, one])
    return path.read_bytes()


def lost(path: Path, content: bytes, **options: Any) -> str | None:
    image = LoadImageFromFile(**options)(dict(img_path=str(path)))["img"]
    return lost_information(str(path), content, image)


@pytest.mark.parametrize(
    ("suffix", "pixels"),
    [
        (".png", RGB),
        (".jpg", RGB),
        (".tif", RGB),
        (".webp", RGB),
        (".png", RGB[..., 0]),
        (".png", np.dstack([RGB, MASK])),
        (".png", np.dstack([RGB, SOFT])),
        (".png", np.dstack([RGB, np.full_like(MASK, 255)])),
        (".tif", np.dstack([RGB, np.full_like(MASK, 128)])),
        (".png", RGB.astype(np.uint16) * 257),
        (".png", RGB.astype(np.uint16) * 256),
    ],
)
def test_nothing_is_lost(tmp_path: Path, suffix: str, pixels: Array) -> None:
    path = tmp_path / f"a{suffix}"
    assert lost(path, write(path, pixels)) is None


def test_depth_bands_and_pages_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    deep = RGB.astype(np.uint16) * 16
    for suffix in (".tif", ".png"):
        path = path.with_suffix(suffix)
        text = lost(path, write(path, deep))
        assert text is not None
        assert text.startswith(f"{path}: holds 16-bit values")
        assert (
            f"{len(np.unique(deep))} values become {len(np.unique(deep >> 8))}" in text
        )
        # A reader that keeps everything isn't blamed.
        assert lost(path, path.read_bytes(), color_type="unchanged") is None
    path = tmp_path / "f.tif"
    with pytest.raises(UserError, match=r"f\.tif holds float32 values in 3 bands"):
        lost(path, write(path, RGB.astype(np.float32) / 255))
    text = lost_information("f.tif", path.read_bytes(), RGB)
    assert text is not None
    assert "float32 values from 0 to 1" in text
    path = tmp_path / "b.png"
    text = lost(path, write(path, np.dstack([RGB, INFRARED])))
    assert text is not None
    assert "fourth band (alpha, or infrared?)" in text
    assert lost(path, path.read_bytes(), color_type="unchanged") is None
    text = lost(tmp_path / "p.tif", pages(tmp_path / "p.tif"))
    assert text is not None
    assert "holds 3 pages" in text


@pytest.mark.parametrize("factor", [16, 257])
def test_the_checker_tells_lost_depth(tmp_path: Path, factor: int) -> None:
    (tmp_path / "images").mkdir()
    write(tmp_path / "images/a.tif", RGB.astype(np.uint16) * factor)
    config = dict(
        type="FolderSegDataset",
        data_root=str(tmp_path),
        data_prefix=dict(img_path="images"),
        img_suffix=".tif",
        pipeline=[dict(type="LoadImageFromFile")],
    )
    report = check_dataset("here", config, progress=False)
    kinds = [(problem.kind, problem.name) for problem in report.problems]
    assert kinds == ([("lossy", "images/a.tif")] if factor == 16 else [])
    assert dict(report.image_sizes) == {(16, 12): 1}


def test_the_checker_reads_turned_images_as_training_does(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    tags = Image.Exif()
    tags[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=tags)
    (tmp_path / "images/a.jpg").write_bytes(file.getvalue())
    for shape, wanted in (((12, 16), "stored"), ((16, 12), "shown")):
        label = np.zeros(shape, np.uint8)
        Image.fromarray(label).save(tmp_path / "labels/a.png")
        for orientation in (None, "stored", "shown"):
            loads = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
            config = dict(
                type="FolderSegDataset",
                data_root=str(tmp_path),
                data_prefix=dict(img_path="images", seg_map_path="labels"),
                metainfo=dict(classes=("a",)),
                pipeline=loads,
                orientation=orientation,
            )
            report = check_dataset("here", config, progress=False)
            kinds = [problem.kind for problem in report.problems]
            expected = [] if orientation == wanted else ["mis-sized"]
            assert kinds == (["mis-labelled"] if orientation is None else expected)
