"""Values that train but can't be meant."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from helpers.toy_runs import demo_config
from helpers.toys import build, cosine_config
from mmengine.runner import Runner

from mmseg_cosda.engine import unlikely_values
from mmseg_cosda.engine.unlikely_values import UnlikelyValues, between_classes


def taps(**thresholds: float) -> dict[str, Namespace]:
    named = {name: Namespace(threshold=value) for name, value in thresholds.items()}
    return dict(cosine=Namespace(taps=named))


def lines(
    alignments: object, *windows: dict[str, list[float]], **options: bool
) -> list[list[str]]:
    watch = UnlikelyValues()
    return [watch.look(alignments, window, **options) for window in windows]


def test_a_threshold_that_selects_all_is_told_once() -> None:
    high, low = {"cosine.selected": [1.0, 0.92]}, {"cosine.selected": [1.0, 0.8]}
    found = lines(taps(layer4=0.6), high, high, high)
    assert [len(each) for each in found] == [0, 1, 0]
    assert "cosine.selected: 96 % of the pairs exceed T_cos" in found[1][0]
    assert (
        "raise model.alignments.cosine.taps.layer4.threshold (layer4: 0.6)"
        in (found[1][0])
    )
    assert lines(taps(layer4=0.6), high, low, high, low) == [[]] * 4
    # -1 says that all are meant.
    assert lines(taps(layer4=-1.0), high, high) == [[], []]


def test_each_tap_by_its_name() -> None:
    window = {"cosine.selected": [0.6], "cosine.selected_b": [1.0]}
    ((), (line,)) = lines(taps(a=0.5, b=0.7), window, window)
    assert "raise model.alignments.cosine.taps.b.threshold (b: 0.7)" in line


def test_pseudo_labels_of_none_or_of_all_pixels() -> None:
    none, whole = {"target.coverage": [0.0, 0.0]}, {"target.coverage": [1.0, 1.0]}
    ((), (line,)) = lines({}, none, none)
    assert "no target pixel has a pseudo-label" in line
    ((), (line,)) = lines({}, whole, whole)
    assert "every target pixel has a pseudo-label" in line
    assert "pseudo_label_dir" in line
    assert lines({}, whole, whole, whole_labels=True) == [[], []]
    some = {"target.coverage": [0.0, 0.1, 1.0]}
    assert lines({}, some, some) == [[], []]


def test_similarity_between_classes_is_that_of_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    queue = torch.randn(4, 5, 3, generator=generator)
    queue /= queue.norm(dim=-1, keepdim=True)
    counts = torch.tensor([5, 0, 2, 1])
    naive = [
        torch.stack([a @ b for a in queue[i, :n] for b in queue[j, :m]]).mean()
        for i, n in enumerate(counts)
        for j, m in enumerate(counts)
        if i != j and n and m
    ]
    assert between_classes(queue, counts) == pytest.approx(
        torch.stack(naive).mean().item(), abs=1e-6
    )
    assert between_classes(queue, torch.tensor([5, 0, 0, 0])) == -1


def test_features_of_all_classes_alike() -> None:
    model = build(alignments=dict(cosine=cosine_config()))
    features = torch.randn(1, 6).expand(8, 6) + 0.01 * torch.randn(8, 6)
    queue = model.alignments["cosine"].queue("last")
    queue.enqueue(features, torch.arange(8) % 4)
    found = lines(model.alignments, *[{}] * 8)
    assert [len(each) for each in found] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert "model.alignments.cosine.centering=True" in found[1][0]
    queue.reset()
    queue.enqueue(torch.eye(6)[:4], torch.arange(4))
    assert lines(model.alignments, *[{}] * 4) == [[]] * 4


def test_a_training_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(
        unlikely_values, "print_log", lambda text, **options: found.append(text)
    )
    cfg = demo_config(tmp_path / "work", 6)
    cfg.default_hooks.logger.interval = 2
    cfg.model.alignments.cosine.taps.last.threshold = -0.99
    Runner.from_cfg(cfg).train()
    assert [line for line in found if line.startswith("cosine.selected: 100 %")]
    assert len(found) == len(set(found))
