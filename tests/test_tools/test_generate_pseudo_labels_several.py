"""Pseudo-labels of several checkpoints: the mean of their probabilities."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pseudo_label_project import Project, write_checkpoint
from helpers.pseudo_label_reference import probabilities, sorted_thresholds
from helpers.pseudo_label_tool import (
    PowerCutError,
    count_forwards,
    files,
    generate,
    labels,
    tool,
)
from mmengine.config import Config

from mmseg_cosda.config import target_config
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.images import TargetImages
from mmseg_cosda.inference.loading import load_model


class Several(Project):
    """The project, with more checkpoints on its command line."""

    @property
    def checkpoints(self) -> list[Path]:
        return [self.checkpoint, *sorted(self.root.glob("band_*.pth"))]

    @property
    def command(self) -> list[str]:
        paths = map(str, self.checkpoints)
        return [str(self.config), *paths, "--out", str(self.out)]


@pytest.fixture
def several(project: Project) -> Several:
    for seed in (1, 2):
        write_checkpoint(project.root / f"band_{seed}.pth", seed)
    return Several(**vars(project))


def test_labels_are_those_of_the_mean_probability(several: Several) -> None:
    report = generate(several)
    cfg = Config.fromfile(several.config)
    pipeline = [
        t for t in cfg.test_dataloader.dataset.pipeline if t.type[:5] != "LoadA"
    ]
    images = TargetImages(target_config(cfg), pipeline)
    models = [load_model(cfg, str(path), "cpu") for path in several.checkpoints]
    each = [[probabilities(model, images[i]) for i in range(7)] for model in models]
    mean = np.mean(each, axis=0)  # (images, C, H, W)
    confidence, label = mean.max(axis=1), mean.argmax(axis=1)
    tau = sorted_thresholds([*confidence], [*label], 4)
    found = [entry["threshold"] for entry in report["classes"]]
    np.testing.assert_allclose(found, tau, rtol=0, atol=1e-5)
    ours = np.stack(labels(several.out))
    sure = np.abs(confidence - tau[label]) > 1e-5
    assert sure.mean() > 0.99
    expected = np.where(confidence > tau[label], label, 255)
    np.testing.assert_array_equal(ours[sure], expected[sure])
    assert all((label != np.argmax(one, axis=1)).any() for one in each)


def test_the_report_names_every_checkpoint(several: Several) -> None:
    made_by = generate(several)["made_by"]
    assert made_by["checkpoint"] == [str(path) for path in several.checkpoints]
    assert len(set(made_by["weights"])) == 3


def test_a_report_of_one_checkpoint_is_as_it_was(project: Project) -> None:
    made_by = generate(project)["made_by"]
    assert made_by["checkpoint"] == str(project.checkpoint)
    assert isinstance(made_by["weights"], str)


def test_one_checkpoint_three_times_is_that_one(several: Several) -> None:
    for path in several.checkpoints[1:]:
        shutil.copy(several.checkpoint, path)
    generate(several)
    alone = Project(*vars(several).values())
    alone = replace(alone, out=several.root / "alone")
    generate(alone)
    pairs = zip(labels(several.out), labels(alone.out), strict=True)
    different = [(one != other).sum() for one, other in pairs]
    assert sum(different) <= 2  # rounding at a threshold


def test_it_goes_on_with_the_same_checkpoints_alone(
    several: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(several)
    whole = files(several.out)
    shutil.rmtree(several.out)
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            generate(several)
    for refuse in (drop_the_last, change_the_last):
        kept = (several.root / "band_2.pth").read_bytes()
        refuse(several.root / "band_2.pth")
        with pytest.raises(UserError, match=r"weights .*model\.pth, .*band_2\.pth \("):
            generate(several)
        (several.root / "band_2.pth").write_bytes(kept)
    calls = count_forwards(monkeypatch)
    generate(several)
    assert len(calls) == 5
    assert files(several.out) == whole


def drop_the_last(path: Path) -> None:
    path.unlink()


def change_the_last(path: Path) -> None:
    content: dict[str, Any] = torch.load(path)
    content["state_dict"]["decode_head.conv_seg.bias"] += 1
    torch.save(content, path)


def test_a_missing_checkpoint_is_named(several: Several) -> None:
    command = [*several.command]
    command.insert(2, "missing.pth")
    with pytest.raises(UserError, match=r"checkpoint missing\.pth does not exist"):
        tool.main([*command, "--device", "cpu", "--workers", "0"])
    assert not (several.out / "report.json").exists()
