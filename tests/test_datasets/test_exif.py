"""Images that an EXIF orientation turns, with labels and without."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile as HostLoadImageFromFile
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image, ImageOps

from mmseg_cosda.datasets import exif
from mmseg_cosda.datasets.transforms import LoadImageFromFile, LoadResizedImage
from mmseg_cosda.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
KINDS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG": {}}


def save(path: Path, tag: int, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = Image.Exif()
    tags[0x0112] = tag
    options: Any = KINDS[kind]
    Image.fromarray(PIXELS).save(path, kind, exif=tags, **options)
    return path


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_stored_and_shown(tmp_path: Path, tag: int, kind: str) -> None:
    path = save(tmp_path / "a", tag, kind)
    assert exif.read_orientation(path.read_bytes()) == tag
    with Image.open(path) as image:
        stored = np.array(image.convert("RGB"))
        shown = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    # PIL turns TIFF files while it decodes them.
    stored = exif.store(shown, tag) if kind == "TIFF" else stored
    assert np.array_equal(exif.show(stored, tag), shown)
    assert np.array_equal(exif.store(shown, tag), stored)
    backends = ("cv2", "pillow") if kind != "TIFF" else ("cv2",)
    for backend in backends:
        for color in ("color", "unchanged"):
            for wanted, pixels in (("stored", stored), ("shown", shown)):
                load = LoadImageFromFile(
                    color_type=color, imdecode_backend=backend, orientation=wanted
                )
                image = load(dict(img_path=str(path)))["img"].astype(int)
                assert image.shape == pixels.shape
                tolerance = 6 if kind == "JPEG" else 0
                assert abs(image[..., ::-1] - pixels).max() <= tolerance


def test_nothing_changes_for_other_images(tmp_path: Path) -> None:
    for tag, kind in ((1, "PNG"), (1, "JPEG"), (6, "JPEG"), (3, "PNG")):
        path = str(save(tmp_path / f"{tag}{kind}", tag, kind))
        host = HostLoadImageFromFile()(dict(img_path=path))
        ours = LoadImageFromFile()(dict(img_path=path))
        assert ours.pop("exif_orientation", 1) == tag
        assert host.keys() == ours.keys()
        for key, value in host.items():
            assert np.array_equal(value, ours[key])


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe1\0\x10Exif\0\0", b"RIFF\0EXIF", b"II*\0\1", b"x"]
)
def test_damaged_headers_say_nothing(content: bytes) -> None:
    assert exif.read_orientation(content) == 1


def test_a_png_s_late_chunk_is_seen() -> None:
    file = io.BytesIO()
    tags = Image.Exif()
    tags[0x0112] = 8
    Image.fromarray(PIXELS).save(file, "PNG", exif=tags)
    content = file.getvalue()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, rest = content[start:end], content[:start] + content[end:]
    late = rest[: rest.index(b"IEND") - 4] + chunk + rest[rest.index(b"IEND") - 4 :]
    assert exif.read_orientation(late) == 8
    assert exif.read_orientation(rest) == 1


def test_files_that_are_no_image_are_told(tmp_path: Path) -> None:
    for content in (b"", b"<html>"):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(UserError, match=r"failed to load image: .*a\.jpg.*exclude"):
            LoadImageFromFile()(dict(img_path=str(tmp_path / "a.jpg")))
        lenient = LoadImageFromFile(ignore_empty=True)
        assert lenient(dict(img_path=str(tmp_path / "a.jpg"))) is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A turned image (180 degrees: the size stays) and a plain one, with labels."""
    init_default_scope("mmseg")
    for name, tag in (("a", 3), ("b", 1)):
        save(tmp_path / f"images/{name}.png", tag)
        for folder in ("labels", "pl"):
            (tmp_path / folder).mkdir(exist_ok=True)
            label = np.zeros((6, 8), np.uint8)
            Image.fromarray(label).save(tmp_path / f"{folder}/{name}.png")
    return tmp_path


LOAD, LABEL = dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")


def config(root: Path, *pipeline: Any, **options: Any) -> dict[str, Any]:
    return dict(
        type="FolderSegDataset",
        data_root=str(root),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix=".png",
        metainfo=dict(classes=("road", "tree", "car")),
        pipeline=list(pipeline),
        **options,
    )


@pytest.mark.parametrize("cached", [False, True])
def test_a_label_needs_to_be_told_which_side_is_up(root: Path, cached: bool) -> None:
    load: dict[str, Any] = LOAD
    if cached:
        load = dict(type="LoadResizedImage", size=(8, 6), cache_dir=f"{root}/cache")
    for pipeline in ((load, LABEL), (LABEL, load)):
        dataset = DATASETS.build(config(root, *pipeline))
        assert dataset[1]["img"].shape == PIXELS.shape
        for _ in range(2):  # the second time from the cache
            with pytest.raises(
                UserError, match=r'images/a\.png: its EXIF orientation is 3.*"stored"'
            ):
                dataset[0]
    expected = {"stored": PIXELS, "shown": PIXELS[::-1, ::-1]}
    for wanted, pixels in expected.items():
        by_dataset = config(root, load, LABEL, orientation=wanted)
        by_transform = config(root, dict(load, orientation=wanted), LABEL)
        for _ in range(2):
            for choice in (by_dataset, by_transform):
                image = DATASETS.build(choice)[0]["img"]
                assert np.array_equal(image[..., ::-1], pixels)
    # Without a label it is shown, as OpenCV does.
    image = DATASETS.build(config(root, load))[0]["img"]
    assert np.array_equal(image[..., ::-1], expected["shown"])


def test_pseudo_labels_belong_to_the_image_as_read(root: Path) -> None:
    for orientation, pixels in ((None, PIXELS[::-1, ::-1]), ("stored", PIXELS)):
        inner = config(root, LOAD, LABEL, orientation=orientation)
        dataset = DATASETS.build(
            dict(
                type="PseudoLabelDataset",
                dataset=inner,
                pseudo_label_dir=str(root / "pl"),
            )
        )
        assert np.array_equal(dataset[0]["img"][..., ::-1], pixels)


def test_a_dataset_of_the_host_is_checked_too(root: Path) -> None:
    options = dict(config(root, LOAD, LABEL), type="BaseSegDataset")
    with pytest.raises(UserError, match="EXIF orientation is 3"):
        DATASETS.build(options)[0]
    options["pipeline"] = [dict(LOAD, orientation="stored"), LABEL]
    assert np.array_equal(DATASETS.build(options)[0]["img"][..., ::-1], PIXELS)


@pytest.mark.parametrize("kind", ["LoadImageFromFile", "LoadResizedImage"])
def test_other_orientations_are_refused(root: Path, kind: str) -> None:
    size = dict(size=(4, 4)) if kind == "LoadResizedImage" else {}
    with pytest.raises(ValueError, match=rf"orientation='up' of {kind}"):
        TRANSFORMS.build(dict(type=kind, orientation="up", **size))
    with pytest.raises(ValueError, match="orientation='up' of FolderSegDataset"):
        DATASETS.build(config(root, LOAD, orientation="up"))
    assert type(TRANSFORMS.build(dict(type="LoadImageFromFile"))) is LoadImageFromFile
    assert LoadResizedImage(size=(4, 4)).orientation is None
