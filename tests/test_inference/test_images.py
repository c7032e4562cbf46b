"""Images as a config names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pseudo_label_project import make_project
from helpers.toys import batch
from mmengine.config import Config
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_cosda.config import read_config
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.images import (
    TargetImages,
    inference_pipeline,
    load_batches,
    read_picture,
    validation_images,
)


@TRANSFORMS.register_module()
class LabelsOfAUser(LoadAnnotations):  # type: ignore[misc]
    """A user's transform that reads labels."""


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    return read_config(make_project(tmp_path).config)


LABELS = [
    dict(type="LoadAnnotations"),
    dict(type="mmseg.LoadAnnotations"),
    dict(type=LoadAnnotations),
    dict(type="LabelsOfAUser"),
    dict(type="RawIdsToTrainIds"),
    dict(type="CheckLabels", num_classes=4),
]


@pytest.mark.parametrize("transform", LABELS)
def test_whatever_needs_labels_is_left_out(transform: dict[str, Any]) -> None:
    load, pack = dict(type="LoadImageFromFile"), dict(type="PackSegInputs")
    cfg = dict(test_pipeline=[load, transform, pack])
    assert inference_pipeline(cfg, with_labels=False) == [load, pack]
    assert inference_pipeline(cfg, with_labels=True) == [load, transform, pack]


def test_labels_that_no_one_names_are_missed_where_they_are_needed(cfg: Config) -> None:
    dataset = cfg.test_dataloader.dataset.to_dict()
    pipeline = dataset["pipeline"]
    TargetImages(dataset, pipeline).require_labels("")
    del dataset["data_prefix"]["seg_map_path"]
    images = TargetImages(dataset, pipeline)
    with pytest.raises(UserError, match=r"no ground truth.*data_prefix\.seg.*or wait"):
        images.require_labels("wait")
    without = inference_pipeline(cfg, with_labels=False)
    TargetImages(dataset, without).require_labels("")
    with pytest.raises(UserError, match="names no ground truth"):
        validation_images(dict(val_dataloader=dict(dataset=dataset)))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order(cfg: Config, workers: int) -> None:
    pipeline = inference_pipeline(cfg, with_labels=False)
    images = TargetImages(cfg.test_dataloader.dataset.to_dict(), pipeline)
    loaded = load_batches(images, [[3, 1], [0]], workers)
    found = [[s["data_samples"].img_path for s in samples] for samples in loaded]
    expected = [[images[i]["data_samples"].img_path for i in b] for b in ([3, 1], [0])]
    assert found == expected


def test_the_picture_is_rgb_at_the_size_of_the_labels() -> None:
    image = batch()["source"]["inputs"][0]
    image[:] = torch.tensor([10, 20, 30], dtype=torch.uint8).view(3, 1, 1)  # BGR
    picture = read_picture({"inputs": image}, np.zeros((5, 9), np.uint8))
    assert picture.shape == (5, 9, 3)
    assert (picture == (30, 20, 10)).all()
