"""Cityscapes as unpacked, with and without cityscapesscripts' trainIds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.cityscapes import CheckedCityscapesDataset

LABEL_IDS = np.arange(34).reshape(2, 17)
IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
TRAIN_IDS = np.array([IDS.index(i) if i in IDS else 255 for i in range(34)])
TRAIN_IDS = TRAIN_IDS.reshape(2, 17)
PIPELINE: list[Any] = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="PackSegInputs"),
]


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmseg")


@pytest.mark.parametrize("converted", [False, True])
def test_both_label_files_are_read(tmp_path: Path, converted: bool) -> None:
    root = folders.make_cityscapes(
        tmp_path, LABEL_IDS, TRAIN_IDS if converted else None
    )
    dataset = CheckedCityscapesDataset(data_root=str(root), pipeline=PIPELINE)
    assert len(dataset) == 2
    kind = "labelTrainIds" if converted else "labelIds"
    assert dataset.get_data_info(1)["seg_map_path"].endswith(
        f"gtFine/train/ulm/ulm_000001_000019_gtFine_{kind}.png"
    )
    labels = dataset[1]["data_samples"].gt_sem_seg.data[0].numpy()
    assert (labels == TRAIN_IDS).all()


def test_the_files_can_be_chosen(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path, LABEL_IDS, np.zeros_like(TRAIN_IDS))
    dataset = CheckedCityscapesDataset(
        data_root=str(root),
        seg_map_suffix="_gtFine_labelIds.png",
        pipeline=PIPELINE,
    )
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0].numpy()
    assert (labels == TRAIN_IDS).all()


def test_the_hosts_dataset_reads_the_same(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path, LABEL_IDS, TRAIN_IDS)
    prefix = dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train")
    config = dict(data_root=str(root), data_prefix=prefix)
    host_pipeline = [PIPELINE[0], dict(type="LoadAnnotations"), PIPELINE[2]]
    host = DATASETS.build(
        dict(config, type="CityscapesDataset", pipeline=host_pipeline)
    )
    ours = CheckedCityscapesDataset(data_root=str(root), pipeline=PIPELINE)
    assert len(host) == len(ours)
    for theirs, mine in zip(host, ours, strict=True):
        assert (theirs["inputs"] == mine["inputs"]).all()
        theirs, mine = theirs["data_samples"], mine["data_samples"]
        assert (theirs.gt_sem_seg.data == mine.gt_sem_seg.data).all()
        assert theirs.img_path == mine.img_path
    assert host.metainfo["classes"] == ours.metainfo["classes"]


def test_an_interrupted_conversion_is_told(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path, LABEL_IDS, TRAIN_IDS)
    next(root.glob("gtFine/train/ulm/*labelTrainIds.png")).unlink()
    with pytest.raises(ValueError, match=r"2 images .*and 1 labels .*ulm_000001"):
        CheckedCityscapesDataset(data_root=str(root))


def test_no_label_files_at_all(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path, LABEL_IDS)
    for path in root.glob("gtFine/train/*/*labelIds.png"):
        path.unlink()
    with pytest.raises(ValueError, match=r"2 images .*and 0 labels"):
        CheckedCityscapesDataset(data_root=str(root))


def test_missing_root_tells_where_to_get_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"data_root .*cityscapes-dataset\.com"):
        CheckedCityscapesDataset(data_root="data/nowhere")


def test_base_config_trains_unlabelled_and_evaluates_at_full_size(
    tmp_path: Path,
) -> None:
    ids = np.full((6, 12), 7)
    root = str(folders.make_cityscapes(tmp_path, ids))
    config = Config.fromfile(folders.config_path("_base_/datasets/gta2cs.py"))
    target = config.train_dataloader.dataset.target
    sample = DATASETS.build(dict(target, data_root=root))[0]
    assert sample["inputs"].shape == (3, 512, 1024)
    assert "gt_sem_seg" not in sample["data_samples"]
    val = DATASETS.build(dict(config.val_dataloader.dataset, data_root=root))[0]
    assert val["inputs"].shape == (3, 512, 1024)
    meta = val["data_samples"]
    assert meta.gt_sem_seg.shape == tuple(meta.ori_shape) == (6, 12)
    assert tuple(meta.img_shape) == (512, 1024)
