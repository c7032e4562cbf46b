from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.folders import save_ids, save_image
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_cosda.datasets.transforms import (
    LoadResizedImage,
    RawIdsToTrainIds,
    ResizePIL,
)

SIZE = (5, 3)  # (width, height)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "a.png"
    save_image(path, 12, 8)
    save_ids(tmp_path / "labels" / "a.png", np.arange(96).reshape(8, 12) % 34)
    return path


def sample(image: Path) -> dict[str, Any]:
    label = image.parents[1] / "labels" / "a.png"
    return dict(img_path=str(image), seg_map_path=str(label), seg_fields=[])


def run(load: Any, image: Path) -> dict[str, Any]:
    results = sample(image)
    for transform in (load, RawIdsToTrainIds(id_map="gta5"), ResizePIL(size=SIZE)):
        results = transform(results)
    return results


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_with_and_without_a_cache_the_sample_is_the_same(
    image: Path, tmp_path: Path
) -> None:
    expected = run(LoadImageFromFile(), image)
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    for got in (
        run(LoadResizedImage(size=SIZE), image),
        run(load, image),
        run(load, image),
    ):
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            assert np.array_equal(got[key], value), key
    assert expected["scale_factor"] == (5 / 12, 3 / 8)
    assert len(entries(tmp_path / "cache")) == 1


def test_the_second_time_nothing_is_decoded(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    first = load(sample(image))
    monkeypatch.setattr(load, "_load", None)
    again = load(sample(image))["img"]
    assert np.array_equal(again, first["img"])
    again += 1  # transforms may write into it


def test_a_changed_image_is_read_anew(image: Path, tmp_path: Path) -> None:
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    before = load(sample(image))["img"]
    stat = os.stat(image)
    save_image(image, 12, 8, seed=1)
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert not np.array_equal(load(sample(image))["img"], before)


def test_sizes_and_images_do_not_share_an_entry(image: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    other = image.with_name("b.png")
    save_image(other, 12, 8, seed=1)
    for size, path in ((SIZE, image), ((3, 5), image), (SIZE, other)):
        got = LoadResizedImage(size=size, cache_dir=cache)(sample(path))["img"]
        with Image.open(path) as whole:
            expected = np.array(whole.resize(size, Image.Resampling.BICUBIC))
        assert np.array_equal(got, expected[..., ::-1])
    assert len(entries(tmp_path / "cache")) == 3


@pytest.mark.parametrize("content", [b"", b"not an array", None])
def test_a_damaged_entry_is_made_again(
    image: Path, tmp_path: Path, content: bytes | None
) -> None:
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    expected = load(sample(image))["img"]
    (entry,) = entries(tmp_path / "cache")
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-7] if content is None else content)
    assert np.array_equal(load(sample(image))["img"], expected)
    assert entry.read_bytes() == whole


def test_a_kill_leaves_no_entry(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))

    def stop(file: Any, array: Any, **_: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("numpy.save", stop)
    with pytest.raises(KeyboardInterrupt):
        load(sample(image))
    assert entries(tmp_path / "cache") == []


def test_several_writers_agree(image: Path, tmp_path: Path) -> None:
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: load(sample(image))["img"], range(16)))
    assert all(np.array_equal(each, images[0]) for each in images)
    assert len(entries(tmp_path / "cache")) == 1


def test_mistakes_are_told(image: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"size=\(0, 3\) of LoadResizedImage"):
        LoadResizedImage(size=(0, 3))
    (tmp_path / "file").write_text("")
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "file"))
    with pytest.raises(ValueError, match="cannot write there"):
        load(sample(image))
    load = LoadResizedImage(size=SIZE, cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"nothing\.png: cannot be read"):
        load(dict(img_path=str(tmp_path / "nothing.png")))
