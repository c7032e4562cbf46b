"""Label files as people bring them: their true values, or one clear error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations as HostLoadAnnotations
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image, PngImagePlugin

from mmseg_cosda.datasets.label_files import check_label_ids, read_label_file
from mmseg_cosda.datasets.transforms import LoadAnnotations
from mmseg_cosda.errors import UserError

IDS = np.array([[0, 1, 2], [3, 2, 255]], np.uint8)
Array = np.ndarray[Any, Any]


def encode(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, kind, **options)
    return file.getvalue()


def palette(ids: Array) -> Any:
    image = Image.fromarray(ids)
    image.putpalette(np.random.default_rng(0).permutation(768).astype(np.uint8))
    assert image.mode == "P"
    return image


def gray_png(rows: list[list[int]], bits: int) -> bytes:
    """A gray PNG of 2 or 4 bits, which PIL itself doesn't write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    packed = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        line = int(text, 2).to_bytes(len(text) // 8, "big")
        packed += b"\0" + line
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(packed)), (b"IEND", b"")]
    return PngImagePlugin._MAGIC + b"".join(chunk(*part) for part in parts)


GOOD = {
    "gray": encode(IDS),
    "palette": encode(palette(IDS)),
    "16-bit": encode(IDS.astype(np.uint16)),
    "32-bit tif": encode(IDS.astype(np.int32), "TIFF"),
    "tif": encode(IDS, "TIFF"),
    "16-bit tif": encode(IDS.astype(np.uint16), "TIFF"),
    "bmp": encode(IDS, "BMP"),
}


@pytest.mark.parametrize("form", GOOD)
def test_files_that_hold_ids_give_what_the_hosts_transform_gives(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(GOOD[form])
    for label_map in (None, {0: 1, 1: 0, 2: 255}):
        for reduce in (False, True):
            facts = dict(label_map=label_map, reduce_zero_label=reduce)
            results = []
            for load in (HostLoadAnnotations(), LoadAnnotations()):
                sample: dict[str, Any] = dict(
                    facts, seg_map_path=str(path), seg_fields=[]
                )
                results.append(load(sample))
            host, ours = results
            assert host.keys() == ours.keys()
            assert ours["gt_seg_map"].dtype == np.uint8
            assert ours["gt_seg_map"].flags.writeable
            np.testing.assert_array_equal(ours["gt_seg_map"], host["gt_seg_map"])


def test_our_transform_takes_the_hosts_name() -> None:
    for name in ("LoadAnnotations", "mmseg.LoadAnnotations"):
        built = TRANSFORMS.build(dict(type=name, imdecode_backend="cv2"))
        assert type(built) is LoadAnnotations
        assert isinstance(built, HostLoadAnnotations)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_are_not_stretched(bits: int) -> None:
    rows = [[0, 1, 2], [3, 2, 2**bits - 1]]
    np.testing.assert_array_equal(read_label_file("a", gray_png(rows, bits)), rows)


def test_depths_and_bits_are_the_files() -> None:
    one_bit = read_label_file("a", encode(IDS > 1))
    assert one_bit.dtype == np.uint8
    assert one_bit.tolist() == (IDS > 1).astype(int).tolist()
    deep = np.array([[0, 65535, 26001]], np.uint16)
    for kind in ("PNG", "TIFF"):
        read = read_label_file("a", encode(deep, kind))
        assert read.tolist() == deep.tolist()
    big_endian = Image.fromarray(deep).tobytes("raw", "I;16B")
    image = Image.frombytes("I;16B", (3, 1), big_endian)
    assert read_label_file("a", encode(image, "TIFF")).tolist() == deep.tolist()


COLORS = np.array([[128, 64, 128], [0, 0, 142], [7, 7, 7], [0, 80, 0]], np.uint8)
RGB = COLORS[IDS % 4]
GRAY = np.repeat(IDS[..., None], 3, 2)


BAD: dict[str, tuple[bytes, str]] = {
    "rgb": (encode(RGB), r"three channels \(colors\).*color table.*id_map=\{\("),
    "equal": (encode(GRAY), r"three channels \(equal ones\).*one of them"),
    "rgba": (encode(np.dstack([RGB, IDS])), "RGBA image of four channels"),
    "la": (encode(np.dstack([IDS, IDS])), "two channels, gray and alpha"),
    "jpg": (encode(IDS, "JPEG"), "JPEG file, a lossy format.*PNG"),
    "jpg_rgb": (encode(RGB, "JPEG"), "JPEG file, a lossy format"),
    "webp": (encode(RGB, "WEBP", quality=80), "WEBP file, a lossy format"),
    "webp_exact": (encode(RGB, "WEBP", lossless=True), "three channels"),
    "tif_jpg": (encode(IDS, "TIFF", compression="jpeg"), "JPEG-compressed TIFF"),
    "jp2": (encode(IDS, "JPEG2000", irreversible=True), "JPEG2000 file, a lossy"),
    "float": (encode(IDS.astype(np.float32), "TIFF"), "floating-point.*0 to 255"),
    "deep": (
        encode(IDS.astype(np.uint16) * 200),
        r"16-bit ids up to 51000.*id_map=\{0: 0, 200: 1",
    ),
    "negative": (encode(IDS.astype(np.int32) - 1, "TIFF"), r"32-bit ids.*\[-1\]"),
    "empty": (b"", "cannot be read as a label image.*0 bytes.*exclude"),
    "cut": (encode(IDS)[:50], "cannot be read as a label image.*exclude"),
    "html": (b"<html>not found</html>", "no image that PIL knows"),
}


@pytest.mark.parametrize("form", BAD)
def test_other_files_are_one_error(tmp_path: Path, form: str) -> None:
    content, match = BAD[form]
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match) as caught:
        LoadAnnotations()(dict(seg_map_path=str(path), seg_fields=[]))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_lossless_jpeg2000_is_read() -> None:
    content = encode(IDS, "JPEG2000", irreversible=False)
    np.testing.assert_array_equal(read_label_file("a.jp2", content), IDS)


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        ([1, 2, 3], r"\[3\], but there are 3 classes.*ids 1\.\.3 .*reduce_zero_label"),
        ([0, 3, 255], r"ids 0\.\.3 for 3 classes: is 0 unlabelled\?"),
        ([0, 7, 200], r"\[7, 200\].*id_map=\{id: class\}"),
        ([0, -1], r"\[-1\].*0 to 2, and 255"),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_ids_outside_the_classes(ids: list[int], match: str, dtype: Any) -> None:
    labels = np.array([ids], dtype)
    before = labels.copy()
    with pytest.raises(ValueError, match=rf"^x\.png: holds the labels .*{match}"):
        check_label_ids(labels, 3, 255, "x.png")
    check_label_ids(np.array([[0, 1, 2, 255, 254]], dtype), 3, {255, 254})
    np.testing.assert_array_equal(labels, before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images whose labels hold the ids 1 to 3."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(2):
        labels = np.tile(np.array([1, 2, 3, 3], np.uint8), (6, 2))
        image = np.random.default_rng(i).integers(0, 255, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{i}.jpg"), image)
        cv2.imwrite(str(tmp_path / f"labels/{i}.png"), labels)
    return tmp_path


def folder(root: Path, *loaders: Any, **options: Any) -> Any:
    pipeline = [dict(type="mmseg.LoadImageFromFile"), *loaders]
    return DATASETS.build(
        dict(
            type="FolderSegDataset",
            data_root=str(root),
            data_prefix=dict(img_path="images", seg_map_path="labels"),
            metainfo=dict(classes=("road", "tree", "car")),
            pipeline=pipeline,
            **options,
        )
    )


LOAD = dict(type="mmseg.LoadAnnotations")


def test_a_dataset_checks_ids_against_its_classes(root: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.png: holds the labels \[3\].*3 classes"):
        folder(root, LOAD)[0]
    reduced = dict(LOAD, reduce_zero_label=True)
    for load, reduce in ((LOAD, True), (reduced, True), (reduced, False)):
        dataset = folder(root, load, reduce_zero_label=reduce)
        assert dataset[0]["gt_seg_map"][0].tolist() == [0, 1, 2, 2] * 2
        assert dataset[1]["gt_seg_map"][0].tolist() == [0, 1, 2, 2] * 2
    with pytest.raises(ValueError, match="leave it out of the pipeline"):
        folder(root, dict(LOAD, reduce_zero_label=False), reduce_zero_label=True)[0]


def test_a_label_of_another_size_names_both(root: Path) -> None:
    cv2.imwrite(str(root / "labels/1.png"), np.zeros((8, 6), np.uint8))
    dataset = folder(root, LOAD, reduce_zero_label=True)
    dataset[0]
    with pytest.raises(
        ValueError, match=r"labels/1\.png: the label is 6x8 .*images/1\.jpg 8x6"
    ):
        dataset[1]
    options = dict(reduce_zero_label=True)
    assert folder(root, LOAD, same_size=False, **options)[1]["gt_seg_map"].shape == (
        8,
        6,
    )
    load = dict(LOAD, same_size=False)
    assert folder(root, load, **options)[1]["gt_seg_map"].shape == (8, 6)
    # A test pipeline loads labels behind the resize: the file's size counts.
    resize = dict(type="mmseg.ResizePIL", size=(4, 3))
    assert folder(root, resize, LOAD, **options)[0]["gt_seg_map"].shape == (6, 8)
    with pytest.raises(ValueError, match="6x8"):
        folder(root, resize, LOAD, **options)[1]


def test_an_error_in_the_middle_of_a_training_is_the_users() -> None:
    """Training shows the traceback of any other ValueError behind its start."""
    with pytest.raises(UserError, match="holds the labels"):
        check_label_ids(np.array([[3]]), 3, 255, "x.png")
    with pytest.raises(UserError, match="cannot be read"):
        read_label_file("x.png", b"")
    with pytest.raises(UserError, match="three channels"):
        read_label_file("x.png", encode(RGB))
