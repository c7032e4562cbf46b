"""Queues filled anew, as in training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.match_project import make_match_project, prepare
from helpers.pseudo_label_project import Project
from helpers.toys import CLASSES, cosine_config
from mmengine.dataset import pseudo_collate
from mmseg.registry import MODELS
from torch.nn import functional as F

import mmseg_cosda.matches.source as source
from mmseg_cosda.matches.alignment import (
    build_alignment,
)
from mmseg_cosda.matches.match_image import make_bank
from mmseg_cosda.matches.source import SourceImages, fill_queues
from mmseg_cosda.matches.traced_queue import TracedQueue
from mmseg_cosda.models.phases import Step


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_match_project(tmp_path)


def trained(model: Any, images: SourceImages, numbers: list[int]) -> Any:
    """The training's own loss after it has seen the images in its own steps."""
    full = copy.deepcopy(model)
    full.alignments["cosine"] = MODELS.build(cosine_config(queue_size=9))
    for number in numbers:
        batch = full.data_preprocessor.source(
            pseudo_collate([images.sample(number)]), True
        )
        step = Step({"source": batch["inputs"]}, {"source": batch["data_samples"]})
        full.phases["source"].losses(full, step)
    return full.alignments["cosine"]


def test_the_queue_is_the_one_that_training_would_fill(project: Project) -> None:
    model, loss, images, _ = prepare(project)
    seen = fill_queues(model, loss, images, 5)
    assert [each.number for each in seen] == list(images.order[:5])
    assert list(images.order) != sorted(images.order)
    expected = trained(model, images, [each.number for each in seen])
    features, counts = loss.queue("last").as_tensors()
    wanted, sizes = expected.queue("last").as_tensors()
    assert torch.equal(counts, sizes)
    assert counts.max() == 9
    torch.testing.assert_close(features, wanted)


def test_each_feature_is_found_again_in_its_image(project: Project) -> None:
    """Provenance, after more features than the queue holds."""
    model, loss, images, _ = prepare(project)
    seen = fill_queues(model, loss, images, 6)
    bank = make_bank(loss, "last", seen, images)
    from_images = set()
    for c in range(CLASSES):
        for q in range(int(bank.counts[c])):
            push, row = bank.origins[c, q].tolist()
            sample = images.sample(bank.images[push])
            pixels = sample["inputs"].float()
            mean = torch.tensor([100.0, 90.0, 80.0]).view(3, 1, 1)
            with torch.no_grad():
                last = model.backbone(((pixels - mean) / 127.5)[None])[-1]
                logits = model.decode_head.conv_seg(last)
            unit = F.normalize(last[0].flatten(1)[:, row], dim=0)
            torch.testing.assert_close(bank.queue[c, q], unit, rtol=1e-4, atol=1e-5)
            truth = sample["data_samples"].gt_sem_seg.data[:, ::4, ::4]  # nearest
            assert logits.argmax(1).flatten()[row] == c
            assert truth.flatten()[row] == c
            x, y = bank.geometries[push].center(row)
            assert (int(y // 4), int(x // 4)) == divmod(row, 8)
            from_images.add(push)
    assert len(from_images) > 1


def test_samples_are_the_same_each_time(project: Project) -> None:
    *_, images, _ = prepare(project)
    flips = [images.sample(i)["data_samples"].metainfo["flip"] for i in range(7)]
    assert len(set(flips)) == 2
    for i in range(7):
        assert torch.equal(images.sample(i)["inputs"], images.sample(i)["inputs"])


def test_by_default_until_each_class_has_features(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "FEWEST", 2)
    model, loss, images, _ = prepare(project)
    assert len(fill_queues(model, loss, images)) == 7  # class 3 is never predicted
    with torch.no_grad():
        model.decode_head.conv_seg.bias[3] = 0.5
    _, loss, *_ = prepare(project)
    seen = fill_queues(model, loss, images)
    assert 2 <= len(seen) < 7
    assert (loss.report()["queue_fill_last"] > 0).all()


def test_at_most_n_features_per_class_and_image(project: Project) -> None:
    model, _, images, cfg = prepare(project)
    loss = build_alignment(cfg, "cosine", model, per_class=2)
    fill_queues(model, loss, images, 3)
    queue = loss.queue("last")
    assert isinstance(queue, TracedQueue)
    assert queue.counts.max() == 6
    pushes = queue.origins()[0, :6, 0]
    assert sorted(pushes.tolist()) == [0, 0, 1, 1, 2, 2]
