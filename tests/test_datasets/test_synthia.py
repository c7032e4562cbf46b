"""SYNTHIA-RAND-CITYSCAPES as downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.synthia import SYNTHIADataset

ALL_IDS = np.arange(256).reshape(16, 16)
# Written out once more, by name: the id of each class of SYNTHIA's own table.
IDS = {
    "sky": 1,
    "building": 2,
    "road": 3,
    "sidewalk": 4,
    "fence": 5,
    "vegetation": 6,
    "pole": 7,
    "car": 8,
    "traffic sign": 9,
    "person": 10,
    "bicycle": 11,
    "motorcycle": 12,
    "traffic light": 15,
    "terrain": 16,
    "rider": 17,
    "truck": 18,
    "bus": 19,
    "train": 20,
    "wall": 21,
}
PIPELINE: list[Any] = [
    dict(type="LoadImageFromFile"),
    dict(type="RawIdsToTrainIds"),
    dict(type="PackSegInputs"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init_default_scope("mmseg")
    return folders.make_synthia(tmp_path / "synthia", ALL_IDS)


@pytest.mark.parametrize("num_classes", [16, 19])
def test_every_id_becomes_its_class(root: Path, num_classes: int) -> None:
    options: Any = {} if num_classes == 16 else dict(num_classes=19)  # 16 by default
    dataset = SYNTHIADataset(data_root=str(root), pipeline=PIPELINE, **options)
    classes = dataset.metainfo["classes"]
    assert len(classes) == num_classes == len(dataset.metainfo["palette"])
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0].flatten().tolist()
    names = {raw_id: name for name, raw_id in IDS.items()}
    for raw_id in range(256):
        name = names.get(raw_id)
        expected = classes.index(name) if name in classes else 255
        assert labels[raw_id] == expected, raw_id
    assert {"terrain", "truck", "train"}.isdisjoint(classes) == (num_classes == 16)


def test_palette_follows_the_classes(root: Path) -> None:
    sixteen = SYNTHIADataset(data_root=str(root)).metainfo
    nineteen = SYNTHIADataset(num_classes=19, data_root=str(root)).metainfo
    for name, color in zip(sixteen["classes"], sixteen["palette"], strict=True):
        assert nineteen["palette"][nineteen["classes"].index(name)] == color


def test_other_numbers_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="num_classes=13 of SYNTHIADataset"):
        SYNTHIADataset(num_classes=13, data_root=str(root))


@pytest.mark.parametrize(
    ("name", "num_classes"), [("synthia2cs", 16), ("synthia2cs_19way", 19)]
)
def test_base_configs(root: Path, tmp_path: Path, name: str, num_classes: int) -> None:
    label_ids = np.array([[7, 22, 33, 0]])
    city = folders.make_cityscapes(tmp_path / "cityscapes", label_ids)
    config = Config.fromfile(folders.config_path(f"_base_/datasets/{name}.py"))
    pair = config.train_dataloader.dataset
    source = DATASETS.build(dict(pair.source, data_root=str(root)))
    assert source[0]["inputs"].shape == (3, 760, 1280)
    target = DATASETS.build(dict(pair.target, data_root=str(city)))
    val = DATASETS.build(dict(config.val_dataloader.dataset, data_root=str(city)))
    for dataset in (source, target, val):
        assert len(dataset.metainfo["classes"]) == num_classes
    labels = val[0]["data_samples"].gt_sem_seg.data[0].tolist()
    terrain, bicycle = (255, 15) if num_classes == 16 else (9, 18)
    assert labels == [[0, terrain, bicycle, 255]]


@pytest.mark.parametrize(
    "name", ["gta2cs", "synthia2cs", "synthia2cs_19way", "torcs2camvid"]
)
def test_pseudo_label_configs_change_the_target_alone(name: str) -> None:
    path = folders.config_path(f"_base_/datasets/{name}")
    plain = Config.fromfile(f"{path}.py").to_dict()
    labelled = Config.fromfile(f"{path}_pl.py").to_dict()
    before = plain["train_dataloader"]["dataset"].pop("target")
    after = labelled["train_dataloader"]["dataset"].pop("target")
    folder = labelled.pop("pseudo_label_dir")
    assert folder == after["pseudo_label_dir"] == f"work_dirs/pseudo_labels/{name}"
    assert plain == labelled
    assert after["type"] == "PseudoLabelDataset"
    inner = after["dataset"]
    loads = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
    assert inner.pop("pipeline") == [*loads, *before.pop("pipeline")[1:]]
    assert inner == before


def test_pseudo_labels_of_the_16_way_are_not_mapped_again(tmp_path: Path) -> None:
    city = folders.make_cityscapes(tmp_path / "cityscapes", np.array([[7, 7]]))
    for stem in folders.CITYSCAPES_STEMS["train"]:
        name = f"pl/{stem}_leftImg8bit.png"
        folders.save_ids(tmp_path / name, np.array([[15, 9], [255, 0]]))
    path = folders.config_path("_base_/datasets/synthia2cs_pl.py")
    target = Config.fromfile(path).train_dataloader.dataset.target
    target.dataset.data_root = str(city)
    target.pseudo_label_dir = str(tmp_path / "pl")
    init_default_scope("mmseg")
    sample = DATASETS.build(target)[0]
    labels = sample["data_samples"].gt_sem_seg.data[0]
    assert labels.shape == (512, 1024)
    assert labels[::511, ::1023].tolist() == [[15, 9], [255, 0]]
