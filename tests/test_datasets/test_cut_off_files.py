"""Empty and cut-off files: one line with the file, wherever they are read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from PIL import Image
from torch.utils.data import DataLoader

from mmseg_cosda import launch
from mmseg_cosda.datasets.transforms import LoadImageFromFile
from mmseg_cosda.datasets.transforms.load_image import is_cut_off
from mmseg_cosda.errors import UserError

RNG = np.random.default_rng(0)
RGB = np.kron(RNG.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
KINDS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {}),
    ("BMP", {}),
]


def encoded(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_an_image(
    tmp_path: Path, kind: str, options: dict[str, Any], backend: str
) -> None:
    path, whole = tmp_path / "a.img", encoded(kind, **options)
    load = LoadImageFromFile(imdecode_backend=backend)
    if (kind, backend) != ("TIFF", "pillow"):  # which the host doesn't read so
        path.write_bytes(whole)
        assert load(dict(img_path=str(path)))["img"].shape == RGB.shape
    for kept in (0, 1, 30, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:kept])
        with pytest.raises(UserError, match="download it again or list") as caught:
            load(dict(img_path=str(path)))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_that_a_decoder_fills_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    # As OpenCV 4: gray rows, and not a word.
    monkeypatch.setattr(mmcv, "imfrombytes", lambda *args, **kwargs: RGB)
    path, whole = tmp_path / "a.jpg", encoded("JPEG", **options)
    for kept in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(UserError, match=r"a\.jpg \(\d+ bytes\) is cut off"):
            LoadImageFromFile()(dict(img_path=str(path)))
    for rest in (b"", b"\0\0", b"appended by a camera"):
        path.write_bytes(whole + rest)
        assert LoadImageFromFile()(dict(img_path=str(path)))["img"] is RGB
    # A small picture within the file has an end of its own.
    header = whole[:2] + b"\xff\xe1\x00\x40" + whole[:40] + b"\xff\xda\xff\xd9"
    assert is_cut_off(header + whole[2:-2])
    assert not is_cut_off(header + whole[2:])


class Reading:
    """A Runner that reads one image, as the host reads it."""

    iter, max_iters, work_dir, cfg = 0, 9, "none", None

    def __init__(self, dataset: Any, workers: int) -> None:
        self.batches = iter(DataLoader(dataset, num_workers=workers))

    def train(self) -> None:
        next(self.batches)


@pytest.mark.parametrize(
    ("workers", "spoilt", "size"),
    [
        (0, "images/a.jpg", 0),
        (0, "images/a.jpg", 90),
        (0, "labels/a.png", 0),
        (0, "labels/a.png", 90),
        (1, "images/a.jpg", 90),
        (1, "labels/a.png", 90),
    ],
)
def test_in_a_dataset_of_the_host(
    tmp_path: Path, workers: int, spoilt: str, size: int
) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images/a.jpg").write_bytes(encoded("JPEG"))
    Image.fromarray(RGB[..., 0] % 2).save(tmp_path / "labels/a.png")
    path = tmp_path / spoilt
    path.write_bytes(path.read_bytes()[:size])
    dataset = BaseSegDataset(
        metainfo=dict(classes=("a", "b")),
        data_root=str(tmp_path),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        pipeline=[
            dict(type="mmseg.LoadImageFromFile"),
            dict(type="mmseg.LoadAnnotations"),
        ],
    )
    runner: Any = Reading(dataset, workers)
    with pytest.raises(UserError) as caught:
        launch.run(runner, "train")
    if workers:  # else a later test hears of a worker's end
        runner.batches._shutdown_workers()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
