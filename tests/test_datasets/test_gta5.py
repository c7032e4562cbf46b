"""GTA5 as downloaded, and the folder checks that all datasets share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.gta5 import GTA5Dataset

ALL_IDS = np.arange(256).reshape(16, 16)
# Written out once more: the id of each trainId, from Cityscapes' own table.
IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
PIPELINE: list[Any] = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="PackSegInputs"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init_default_scope("mmseg")
    return folders.make_gta5(tmp_path / "gta", ALL_IDS, count=3)


def test_every_palette_index_becomes_its_train_id(root: Path) -> None:
    dataset = GTA5Dataset(data_root=str(root), pipeline=PIPELINE)
    assert len(dataset) == 3
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0].flatten().tolist()
    for raw_id in range(256):
        expected = IDS.index(raw_id) if raw_id in IDS else 255
        assert labels[raw_id] == expected, raw_id
    assert dataset.metainfo["classes"][18] == "bicycle"


def test_images_are_bgr(root: Path) -> None:
    from PIL import Image

    dataset = GTA5Dataset(data_root=str(root), pipeline=PIPELINE)
    rgb = np.array(Image.open(root / "images/00001.png"))
    assert (dataset[0]["inputs"].numpy() == rgb.transpose(2, 0, 1)[::-1]).all()


def test_base_config_reads_it_at_the_paper_size(root: Path) -> None:
    config = Config.fromfile(folders.config_path("_base_/datasets/gta2cs.py"))
    source = config.train_dataloader.dataset.source
    dataset = DATASETS.build(dict(source, data_root=str(root)))
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 720, 1280)
    assert sample["data_samples"].gt_sem_seg.shape == (720, 1280)


def test_translated_images_beside_the_original_labels(root: Path) -> None:
    for i in (1, 2, 3):
        folders.save_image(root / f"images_translated/{i:05d}.png", 10, 6)
    dataset = GTA5Dataset(
        data_root=str(root),
        data_prefix=dict(img_path="images_translated", seg_map_path="labels"),
        same_size=False,
        pipeline=[*PIPELINE[:2], dict(type="ResizePIL", size=(8, 4)), PIPELINE[2]],
    )
    info = dataset.get_data_info(0)
    assert info["img_path"].endswith("images_translated/00001.png")
    assert info["seg_map_path"].endswith("labels/00001.png")
    sample = dataset[0]
    assert sample["inputs"].shape[1:] == sample["data_samples"].gt_sem_seg.shape


def test_missing_root_and_folder(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data_root of GTA5Dataset: the folder"):
        GTA5Dataset(data_root=str(root / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"data_prefix\.seg_map_path .*'.*gt'"):
        GTA5Dataset(
            data_root=str(root), data_prefix=dict(img_path="", seg_map_path="gt")
        )


def test_the_registry_keeps_the_error(root: Path) -> None:
    config = dict(type="GTA5Dataset", data_root="data/nowhere")
    with pytest.raises(FileNotFoundError, match="set data_root of the dataset"):
        DATASETS.build(config)


def test_empty_folder_and_wrong_suffix(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty/images").mkdir(parents=True)
    prefix = dict(img_path="images")
    with pytest.raises(ValueError, match=r"no image ends with '\.png'.*0 files"):
        GTA5Dataset(data_root=str(tmp_path / "empty"), data_prefix=prefix)
    with pytest.raises(ValueError, match=r"'\.jpg'.*holds 3 files \[00001\.png"):
        GTA5Dataset(data_root=str(root), data_prefix=prefix, img_suffix=".jpg")


def test_counts_that_differ(root: Path) -> None:
    (root / "labels/00002.png").unlink()
    with pytest.raises(
        ValueError, match=r"3 images .*and 2 labels .*1 images without label \[00002\]"
    ):
        GTA5Dataset(data_root=str(root))


def test_a_label_without_image(root: Path) -> None:
    (root / "images/00003.png").unlink()
    with pytest.raises(
        ValueError,
        match=r"2 images .*3 labels .*labels without image \[00003\].*exclude",
    ):
        GTA5Dataset(data_root=str(root))


@pytest.mark.parametrize("name", ["00002", "00002.png", "images/00002.png"])
def test_exclude_by_list(root: Path, name: str) -> None:
    (root / "labels/00002.png").unlink()
    dataset = GTA5Dataset(data_root=str(root), exclude=[name])
    names = [Path(dataset.get_data_info(i)["img_path"]).stem for i in range(2)]
    assert names == ["00001", "00003"]
    assert len(dataset) == 2


def test_exclude_by_file(root: Path, tmp_path: Path) -> None:
    listed = tmp_path / "bad.txt"
    listed.write_text("# bad\n\nimages/00001.png  # corrupt\nelsewhere/9.png\n")
    assert len(GTA5Dataset(data_root=str(root), exclude=str(listed))) == 2
    with pytest.raises(FileNotFoundError, match=r"exclude='none\.txt'"):
        GTA5Dataset(data_root=str(root), exclude="none.txt")
    with pytest.raises(ValueError, match=r"exclude of GTA5Dataset names \[00009\]"):
        GTA5Dataset(data_root=str(root), exclude=["00009"])


def test_unlabelled_needs_no_labels(root: Path) -> None:
    (root / "labels/00002.png").unlink()
    dataset = GTA5Dataset(data_root=str(root), data_prefix=dict(img_path="images"))
    assert len(dataset) == 3
    assert "seg_map_path" not in dataset.get_data_info(0)


def test_ann_file_names_its_images(root: Path, tmp_path: Path) -> None:
    listed = tmp_path / "train.txt"
    listed.write_text("00003\n00001\n")
    dataset = GTA5Dataset(data_root=str(root), ann_file=str(listed))
    assert len(dataset) == 2
    listed.write_text("00003\n00009\n")
    with pytest.raises(FileNotFoundError, match=r"lists 1 images .*\[00009\]"):
        GTA5Dataset(data_root=str(root), ann_file=str(listed))
    with pytest.raises(FileNotFoundError, match="ann_file="):
        GTA5Dataset(data_root=str(root), ann_file="none.txt")


def test_lazy_init_reads_nothing() -> None:
    dataset = GTA5Dataset(data_root="data/nowhere", lazy_init=True)
    assert len(dataset.metainfo["classes"]) == 19
