from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from helpers.toys import cosine_config
from PIL import Image

from mmseg_cosda.engine import MatchDiagnosisHook
from mmseg_cosda.models.class_similarity import UnitSums
from mmseg_cosda.models.matching import MatchSums
from mmseg_cosda.models.segmentors.target_diagnosis import Diagnosis


def hook(cfg: Any, **options: Any) -> dict[str, Any]:
    dataset = dict(
        type="DemoStreetsDataset",
        domain="target",
        image_size=(64, 32),
        length=5,
        pipeline=cfg.val_dataloader.dataset.pipeline,
    )
    return dict(type="MatchDiagnosisHook", dataset=dataset, interval=2, **options)


def lines(folder: Path) -> list[dict[str, float]]:
    (scalars,) = folder.glob("*/vis_data/scalars.json")
    every = [json.loads(line) for line in scalars.read_text().splitlines()]
    return [line for line in every if "diagnosis/within" in line]


def test_a_diagnosed_run_equals_one_that_is_not(tmp_path: Path) -> None:
    plain = train_to_end(demo_config(tmp_path / "plain", 4))
    cfg = demo_config(tmp_path / "watched", 4)
    cfg.custom_hooks = [hook(cfg)]
    watched = train_to_end(cfg)
    assert_equal_states(watched["state_dict"], plain["state_dict"], "state_dict")

    found = lines(tmp_path / "watched")
    assert [line["step"] for line in found] == [1, 2, 4]
    for line in found:
        assert -1 <= line["diagnosis/between"] <= line["diagnosis/within"] <= 1
        assert 0 <= line["diagnosis/cosine.last/selected"] <= 1
        assert 0 <= line["diagnosis/cosine.last/assignment_accuracy"] <= 1
    assert "diagnosis/cosine.last/match_precision/road" in found[0]


def test_pseudo_labels_split_as_in_training(tmp_path: Path) -> None:
    """Labels of one class alone: every match is one of that class."""
    cfg = demo_config(tmp_path / "run", 1)
    labels = tmp_path / "labels"
    labels.mkdir()
    for index in range(5):
        name = f"target_train_{index:05d}.png"
        Image.fromarray(torch.full((32, 64), 2, dtype=torch.uint8).numpy()).save(
            labels / name
        )
    target = cfg.train_dataloader.dataset.target
    target.pipeline.insert(1, dict(type="LoadAnnotations"))
    cfg.train_dataloader.dataset.target = dict(
        type="PseudoLabelDataset", dataset=target, pseudo_label_dir=str(labels)
    )
    cfg.model.alignments = dict(cosine=cosine_config(num_classes=10))
    cfg.custom_hooks = [hook(cfg)]
    train_to_end(cfg)
    (line,) = lines(tmp_path / "run")
    for name in ("road", "sidewalk", "sky"):
        assert math.isnan(line[f"diagnosis/cosine.last/assignment_accuracy/{name}"])
    building = line["diagnosis/cosine.last/assignment_accuracy/building"]
    assert building == line["diagnosis/cosine.last/assignment_accuracy"] > 0


def test_pulled_pixels_are_among_those_with_a_ground_truth() -> None:
    sums = MatchSums(*torch.ones(10, 2).double())._replace(
        pixels=torch.tensor([8.0, 8.0]).double(),
        pulled=torch.tensor([4.0, 8.0]).double(),
        labelled=torch.tensor([4.0, 4.0]).double(),
        labelled_pulled=torch.tensor([3.0, 4.0]).double(),
    )
    features = UnitSums(torch.ones(2, 3).double(), torch.ones(2).double())

    class Model(torch.nn.Module):
        def diagnose(self, *args: Any) -> Diagnosis:
            return Diagnosis(features, {"cosine.last": sums})

    watching = MatchDiagnosisHook({})
    watching._samples = [({}, None)]
    data = SimpleNamespace(metainfo={"classes": ("road", "sky")})
    runner = SimpleNamespace(
        model=Model(), train_dataloader=SimpleNamespace(dataset=data)
    )
    found = watching.figures(runner)
    assert found["diagnosis/cosine.last/pulled/road"] == 3 / 4
    assert found["diagnosis/cosine.last/pulled"] == 7 / 8


@pytest.mark.parametrize("option", ["images", "interval"])
def test_numbers_are_positive(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option}=0"):
        MatchDiagnosisHook({}, **{option: 0})  # type: ignore[arg-type]
