"""The demo as a dataset of the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.fileio import get
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, TRANSFORMS

from mmseg_cosda.datasets.demo.street import DemoStreet
from mmseg_cosda.datasets.demo_streets import DemoStreetsDataset
from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.pseudo_label import PseudoLabelDataset
from mmseg_cosda.datasets.transforms.demo_street import LoadDemoStreet

Pipeline = list[dict[str, Any] | Callable[..., Any]]
LABELS: Pipeline = [dict(type="mmseg.LoadDemoStreet"), dict(type="mmseg.PackSegInputs")]
IMAGE_ONLY: Pipeline = [
    dict(type="mmseg.LoadDemoStreet", with_labels=False),
    dict(type="mmseg.PackSegInputs"),
]


def test_a_sample_of_the_default_pipeline() -> None:
    dataset = DATASETS.build(
        dict(type="DemoStreetsDataset", domain="target", split="val", length=3, gap=0.5)
    )
    assert len(dataset) == 3
    sample = dataset[2]
    expected = DemoStreet("target", "val", 2, gap=0.5).render()
    np.testing.assert_array_equal(
        sample["inputs"].permute(1, 2, 0).numpy(), expected[0]
    )
    labels = sample["data_samples"].gt_sem_seg.data
    np.testing.assert_array_equal(labels[0].numpy(), expected[1])
    assert sample["data_samples"].img_path.endswith("/target_val_00002.png")
    assert sample["data_samples"].ori_shape == (128, 256)
    assert not hasattr(sample["data_samples"], "seg_map_path")


def test_without_labels_there_is_no_ground_truth() -> None:
    dataset = DemoStreetsDataset(domain="target", length=1, pipeline=IMAGE_ONLY)
    assert "gt_sem_seg" not in dataset[0]["data_samples"]


def test_the_host_s_transforms_follow() -> None:
    init_default_scope("mmseg")
    pipeline: Pipeline = [
        dict(type="LoadDemoStreet"),
        dict(type="Resize", scale=(128, 64), keep_ratio=False),
        dict(type="RandomFlip", prob=1.0),
        dict(type="PackSegInputs"),
    ]
    sample = DemoStreetsDataset(domain="source", length=1, pipeline=pipeline)[0]
    assert sample["inputs"].shape == (3, 64, 128)
    labels = sample["data_samples"].gt_sem_seg.data[0]
    whole = DemoStreet("source", "train", 0).render()[1]
    # OpenCV's nearest halving takes every second pixel
    np.testing.assert_array_equal(labels.numpy(), whole[::2, ::2][:, ::-1])


def test_a_choice_of_classes_maps_the_labels() -> None:
    dataset = DemoStreetsDataset(
        domain="source",
        length=1,
        metainfo=dict(classes=("car", "road")),
        pipeline=LABELS,
    )
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0].numpy()
    whole = DemoStreet("source", "train", 0).render()[1]
    np.testing.assert_array_equal(labels == 0, whole == 8)
    np.testing.assert_array_equal(labels == 1, whole == 0)
    np.testing.assert_array_equal(labels == 255, (whole != 8) & (whole != 0))
    assert dataset.metainfo["palette"] == [[0, 0, 142], [128, 64, 128]]


def test_pseudo_labels_attach_to_the_virtual_names(tmp_path: Path) -> None:
    init_default_scope("mmseg")
    pseudo = np.full((128, 256), 255, np.uint8)
    pseudo[64:] = 3
    assert cv2.imwrite(str(tmp_path / "target_train_00000.png"), pseudo)
    dataset = PseudoLabelDataset(
        dataset=DemoStreetsDataset(domain="target", length=1),
        pseudo_label_dir=str(tmp_path),
        pipeline=[
            dict(type="LoadDemoStreet", with_labels=False),
            dict(type="LoadAnnotations"),
            dict(type="PackSegInputs"),
        ],
    )
    sample = dataset[0]
    labels = sample["data_samples"].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(labels, pseudo)
    image = DemoStreet("target", "train", 0).render()[0]
    np.testing.assert_array_equal(sample["inputs"].permute(1, 2, 0).numpy(), image)


def test_both_domains_pair() -> None:
    pairs = DomainPairDataset(
        source=DemoStreetsDataset(domain="source", length=2, pipeline=LABELS),
        target=DemoStreetsDataset(domain="target", length=2, pipeline=IMAGE_ONLY),
        seed=0,
    )
    sample = pairs[0]
    assert "gt_sem_seg" in sample["source"]["data_samples"]
    assert "gt_sem_seg" not in sample["target"]["data_samples"]
    assert not torch.equal(sample["source"]["inputs"], sample["target"]["inputs"])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("domain", "real"),
        ("split", "test"),
        ("length", 0),
        ("length", 2.5),
        ("image_size", (256,)),
        ("image_size", (256, 16)),
        ("image_size", (256.0, 128.0)),
        ("seed", -1),
        ("seed", 1.5),
        ("gap", 1.01),
        ("gap", -0.1),
        ("gap", float("nan")),
        ("gap", "1"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: object) -> None:
    options: dict[str, Any] = {"domain": "source", option: value}
    with pytest.raises(ValueError, match=f"^{option}=.*must be"):
        DemoStreetsDataset(**options)


def test_a_photograph_is_loaded_as_the_host_loads_it(tmp_path: Path) -> None:
    load = TRANSFORMS.build(dict(type="LoadDemoStreet"))
    assert isinstance(load, LoadDemoStreet)
    path = str(tmp_path / "photo.png")
    photo = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert cv2.imwrite(path, photo)
    loaded = load(dict(img_path=path))
    assert "gt_seg_map" not in loaded
    assert loaded["ori_shape"] == (4, 5)
    np.testing.assert_array_equal(loaded["img"], photo)
    assert load(dict(img=photo))["img"] is photo


def test_the_hosts_loader_reads_a_street(tmp_path: Path) -> None:
    options: Any = dict(image_size=(64, 48), seed=7, gap=0.25, length=3)
    dataset = DemoStreetsDataset("target", "val", pipeline=[], **options)
    sample = dataset[2]
    read = TRANSFORMS.build(dict(type="LoadImageFromFile"))(dict(sample))
    rendered, labels = sample["demo_street"].render()
    np.testing.assert_array_equal(read["img"], rendered)
    flipped = read["img"][:, ::-1]
    both = LoadDemoStreet()({**read, "img": flipped})  # behind a test-time mirror
    assert both["img"] is flipped
    np.testing.assert_array_equal(both["gt_seg_map"], labels)
    with pytest.raises(FileNotFoundError, match="names no image of the demo"):
        get("demo-streets://64x48/seed7/gap0.25/target_val_2.jpg")
