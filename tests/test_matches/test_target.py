"""Target images split and matched as in training, with its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.match_project import make_match_project, prepare
from helpers.pseudo_label_project import NAMES, Project, write_config
from helpers.toys import CLASSES, cosine_config
from mmengine.config import Config

from mmseg_cosda.config import read_config
from mmseg_cosda.errors import UserError
from mmseg_cosda.matches.alignment import (
    restore_means,
)
from mmseg_cosda.matches.forward import see_target
from mmseg_cosda.matches.match_image import MatchPictureOptions, make_bank, match_image
from mmseg_cosda.matches.source import fill_queues
from mmseg_cosda.matches.target import TargetSet


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_match_project(tmp_path)


def write_pseudo_labels(project: Project) -> None:
    for i, name in enumerate(sorted(NAMES)):
        label = np.full((16, 32), 255, np.uint8)
        label[:8] = i % CLASSES
        path = project.out / f"{name}_img.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), label)


def test_training_images_are_split_by_their_pseudo_labels(project: Project) -> None:
    write_pseudo_labels(project)
    model, loss, images, cfg = prepare(project)
    bank = make_bank(loss, "last", fill_queues(model, loss, images, 5), images)
    for split in ("train", "val"):
        targets = TargetSet(cfg, split)
        for index in (1, 2):
            image, _ = match_image(
                model, loss, "last", bank, targets, index, MatchPictureOptions(pixels=0)
            )
            assert image.name == sorted(NAMES)[index]
            inputs = targets.sample(index)["inputs"].float() / 127.5 - 1
            with torch.no_grad():
                logits = model.decode_head(model.backbone(inputs[None]))
            predicted = logits.argmax(1)[0].numpy()
            assert (image.labels[2:] == predicted[2:]).all()
            upper = index if split == "train" else predicted[:2]
            assert (image.labels[:2] == upper).all()
            assert (predicted[:2] != index).any()


def test_training_images_may_have_no_labels(project: Project) -> None:
    write_pseudo_labels(project)
    for path in (project.root / "labels").rglob("*.png"):
        path.rename(path.with_suffix(".gone"))
    cfg = read_config(str(project.config))
    assert "gt_sem_seg" not in TargetSet(cfg, "train").sample(0)["data_samples"]
    with pytest.raises(UserError, match=r"_gt\.png"):
        TargetSet(cfg, "val").sample(0)


def test_images_are_named_or_spread(project: Project) -> None:
    targets = TargetSet(read_config(str(project.config)), "val")
    assert targets.choose([], 3) == [0, 2, 4]
    names = ["ulm/ulm_0_img.png", "bonn_2_img"]
    assert [targets.names[i] for i in targets.choose(names, 9)] == [
        "ulm/ulm_0",
        "bonn/bonn_2",
    ]
    with pytest.raises(UserError, match="ulm_9: no image has that name; closest: ulm"):
        targets.choose(["ulm_9"], 1)
    with pytest.raises(UserError, match=r"--count 8: there are 7"):
        targets.choose([], 8)


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(centering=True),
        dict(top_k=2),
        dict(min_confidence=0.9),
        dict(centering=True, top_k=3, min_confidence=0.6),
    ],
)
def test_options_count_as_in_training(
    project: Project, options: dict[str, Any]
) -> None:
    write_config(
        project.config, change(project, alignments=dict(cosine=toy_loss(**options)))
    )
    model, loss, images, cfg = prepare(project)
    bank = make_bank(loss, "last", fill_queues(model, loss, images, 5), images)
    targets = TargetSet(cfg, "val")
    _, sums = match_image(
        model, loss, "last", bank, targets, 2, MatchPictureOptions(pixels=2)
    )
    sample = targets.sample(2)
    truth = sample["data_samples"].gt_sem_seg.data
    watched = loss.diagnose(see_target(model, sample, loss.feature_paths), truth)[
        "last"
    ]
    for key, ours in sums._asdict().items():
        if key != "similarity":
            assert torch.equal(ours, getattr(watched, key)), key
    similarity = watched.similarity
    torch.testing.assert_close(sums.similarity, similarity, rtol=1e-4, atol=1e-4)
    assert 0 < sums.selected.sum() < sums.pairs.sum()
    if "min_confidence" in options:
        assert sums.pixels.sum() < 32
    for close in match_image(
        model, loss, "last", bank, targets, 2, MatchPictureOptions(pixels=2)
    )[0].pixels:
        selected = [m.similarity > 0.3 for m in close.matches]
        assert [m.selected for m in close.matches] == selected


def toy_loss(**options: Any) -> dict[str, Any]:
    tap = dict(feature="backbone[-1]", channels=6, threshold=0.3)
    return cosine_config(queue_size=9, taps=dict(last=tap), **options)


def change(project: Project, **model: Any) -> dict[str, Any]:
    config = dict(Config.fromfile(project.config).to_dict())
    config["model"].update(model)
    return config


def test_centering_goes_on_from_the_checkpoint_s_mean(project: Project) -> None:
    alignments = dict(cosine=toy_loss(centering=True))
    write_config(project.config, change(project, alignments=alignments))
    *_, loss = prepare(project)[:2]
    key = "alignments.cosine.means.last."
    weights = {f"{key}mean": torch.arange(6.0), f"{key}updates": torch.tensor(7)}
    restore_means(loss, "cosine", weights)
    assert loss.means["last"].get_buffer("mean").tolist() == [0, 1, 2, 3, 4, 5]
    assert loss.means["last"].get_buffer("updates") == 7
    restore_means(loss, "other", {key.replace("cosine", "other"): torch.ones(6)})
    restore_means(loss, "cosine", {f"{key}mean": torch.ones(5)})  # another net's
    assert loss.means["last"].get_buffer("mean").sum() == 15
