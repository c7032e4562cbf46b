"""Raw ids, PIL resizes and the check of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import folders
from mmseg.datasets.transforms import PackSegInputs
from PIL import Image

from mmseg_cosda.datasets.transforms import (
    CheckLabels,
    LoadAnnotations,
    RawIdsToTrainIds,
    ResizePIL,
)

ALL_IDS = np.arange(256).reshape(16, 16)


def load(path: Path, label_map: Any = None, **options: Any) -> Any:
    sample = dict(seg_map_path=str(path), seg_fields=[], label_map=label_map)
    result = RawIdsToTrainIds(**options)(sample)
    assert result["seg_fields"] == ["gt_seg_map"]
    assert result["gt_seg_map"].dtype == np.uint8
    return result["gt_seg_map"]


def test_sixteen_bit_single_channel_ids(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[7, 33, 300]], np.uint16))
    assert load(tmp_path / "a.png", id_map="cityscapes").tolist() == [[0, 18, 255]]


def test_label_map_of_the_host_is_applied(tmp_path: Path) -> None:
    folders.save_ids(tmp_path / "a.png", np.array([[7, 33, 22]]))
    label_map = {**{i: i for i in range(19)}, 18: 15, 9: 255}
    labels = load(tmp_path / "a.png", label_map, id_map="cityscapes")
    assert labels.tolist() == [[0, 15, 255]]


def test_tables_of_several_label_maps_do_not_mix(tmp_path: Path) -> None:
    folders.save_ids(tmp_path / "a.png", np.array([[7]]))
    transform = RawIdsToTrainIds("gta5")
    for new in (3, 4):
        sample = dict(seg_map_path=str(tmp_path / "a.png"), label_map={0: new})
        assert transform(sample)["gt_seg_map"].item() == new


@pytest.mark.parametrize(("id_map", "last"), [("gta5", 34), ("cityscapes", 33)])
def test_strict_names_file_and_ids(tmp_path: Path, id_map: str, last: int) -> None:
    folders.save_palette(tmp_path / "a.png", np.array([[7, last, last + 1, 200]]))
    labels = load(tmp_path / "a.png", id_map=id_map)
    assert labels.tolist() == [[0, 255 if last == 34 else 18, 255, 255]]
    with pytest.raises(ValueError, match=rf"a\.png: holds the ids \[{last + 1}, 200\]"):
        load(tmp_path / "a.png", id_map=id_map, strict=True)


def test_train_ids_are_always_checked(tmp_path: Path) -> None:
    folders.save_ids(tmp_path / "a.png", np.array([[0, 18, 255]]))
    assert load(tmp_path / "a.png", id_map="train_ids").tolist() == [[0, 18, 255]]
    folders.save_ids(tmp_path / "b.png", np.array([[0, 19, 33]]))
    with pytest.raises(ValueError, match=r"b\.png: holds the ids \[19, 33\].*0 to 18"):
        load(tmp_path / "b.png", id_map="train_ids")


@pytest.mark.parametrize(
    ("id_map", "shape", "error"),
    [
        ("gta5", (4, 4, 3), r"is a RGB image.*as downloaded"),
        ("synthia", (4, 4), r"has shape \(4, 4\).*red channel"),
    ],
)
def test_wrong_channels(
    tmp_path: Path, id_map: str, shape: tuple[int, ...], error: str
) -> None:
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=error):
        load(tmp_path / "a.png", id_map=id_map)


@pytest.mark.parametrize("id_map", ["gta5", "synthia"])
@pytest.mark.parametrize("kept", [0, 60])
def test_corrupt_file(tmp_path: Path, id_map: str, kept: int) -> None:
    path = tmp_path / "a.png"
    folders.save_palette(path, ALL_IDS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"a\.png: cannot be read.*exclude"):
        load(path, id_map=id_map)


def test_unlabelled_sample_and_unknown_format() -> None:
    unlabelled = dict(img_path="x.png")  # as inference has it
    for transform in (RawIdsToTrainIds("gta5"), CheckLabels(3), LoadAnnotations()):
        assert transform(unlabelled) == dict(img_path="x.png")
    with pytest.raises(ValueError, match=r"id_map='gta' .*must be one of gta5"):
        RawIdsToTrainIds("gta")
    with pytest.raises(ValueError, match="id_map=None"):
        RawIdsToTrainIds()(dict(seg_map_path="x.png"))


def test_resize_is_pils() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (21, 38, 3)).astype(np.uint8)
    labels = rng.integers(0, 19, (21, 38)).astype(np.uint8)
    sample = dict(img=image, gt_seg_map=labels, seg_fields=["gt_seg_map"])
    out = ResizePIL(size=(16, 9))(sample)
    for channel in range(3):
        alone = Image.fromarray(image[:, :, channel]).resize((16, 9), Image.BICUBIC)
        assert (out["img"][:, :, channel] == np.array(alone)).all()
    # Nearest by hand: the source pixel under the center of each pixel.
    rows = ((np.arange(9) + 0.5) * 21 / 9).astype(int)
    columns = ((np.arange(16) + 0.5) * 38 / 16).astype(int)
    assert (out["gt_seg_map"] == labels[np.ix_(rows, columns)]).all()
    assert out["img_shape"] == (9, 16)
    assert out["scale_factor"] == (16 / 38, 9 / 21)
    assert PackSegInputs()(out)["inputs"].shape == (3, 9, 16)


def test_resize_leaves_later_labels_alone_and_keeps_equal_sizes() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    out = ResizePIL(size=(4, 2))(dict(img=image, seg_fields=[]))
    assert (out["img"] == image).all()


@pytest.mark.parametrize("size", [(0, 4), (4,), (4, 4, 3), (4.0, 2)])
def test_resize_refuses_sizes(size: Any) -> None:
    with pytest.raises(ValueError, match=r"size=.*\(width, height\)"):
        ResizePIL(size)


def test_resize_refuses_floats() -> None:
    with pytest.raises(ValueError, match=r"a\.png: img is float32.*to_float32"):
        ResizePIL((4, 2))(dict(img=np.zeros((2, 2, 3), np.float32), img_path="a.png"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_check_labels(dtype: Any) -> None:
    good = dict(gt_seg_map=np.array([[0, 10, 255]], dtype))
    assert CheckLabels(11)(good) is good
    bad = dict(gt_seg_map=np.array([[0, 11, 254, 255]], dtype), seg_map_path="x.png")
    with pytest.raises(
        ValueError, match=r"x\.png: holds the labels \[11, 254\].*11 classes \(0 to 10"
    ):
        CheckLabels(11)(bad)


def test_check_labels_below_zero() -> None:
    with pytest.raises(ValueError, match=r"\[-1\]"):
        CheckLabels(11)(dict(gt_seg_map=np.array([[-1, 0]])))
    with pytest.raises(ValueError, match="num_classes=0"):
        CheckLabels(0)
