"""The preflight within a Runner: what ends a training before it begins."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.folders import save_ids
from helpers.own_data import dataset, ids, make_own_data, own_config
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from helpers.toys import build, head_config
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight import run as preflight_run
from mmseg_cosda.preflight.callers import calling_loop
from mmseg_cosda.preflight.facts import Facts
from mmseg_cosda.preflight.rules import compare
from mmseg_cosda.preflight.run import check_before_run, run_facts
from mmseg_cosda.preflight.samples import data_facts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_own_data(tmp_path / "data")


@pytest.fixture
def refused(root: Path, tmp_path: Path) -> Callable[[Callable[[Config], None]], str]:
    """Change a good config; return the error that ends its training."""

    def train(change: Callable[[Config], None]) -> str:
        cfg = own_config(root, tmp_path / "work")
        change(cfg)
        runner = Runner.from_cfg(cfg)
        with pytest.raises(UserError) as caught:
            runner.train()
        assert runner.iter == 0
        assert not runner.optim_wrapper.optimizer.state  # it has never stepped
        return str(caught.value)

    return train


Refused = Callable[[Callable[[Config], None]], str]


def test_a_good_training_finds_nothing(root: Path, tmp_path: Path) -> None:
    runner = Runner.from_cfg(own_config(root, tmp_path / "work", iterations=2))
    runner.train()
    facts = run_facts(runner.train_loop, runner.model)
    assert [data.role for data in facts.data] == ["source", "target", "val"]
    assert facts.data[0].samples[0].loaded == ((32, 64), (32, 64))
    assert compare(facts) == []
    runner.test()


def test_the_targets_ground_truth(root: Path, refused: Refused) -> None:
    def leak(cfg: Config) -> None:
        cfg.train_dataloader.dataset.target = dataset(root, "target/train", True)

    text = refused(leak)
    assert "train_dataloader.dataset.target: FolderSegDataset" in text
    assert "target/train/labels/" in text

    def wrapped(cfg: Config) -> None:
        leak(cfg)
        inner = cfg.train_dataloader.dataset.target
        repeat = dict(type="RepeatDataset", times=2, dataset=inner)
        plain = dataset(root, "target/train", False)
        cfg.train_dataloader.dataset.target = dict(
            type="ConcatDataset", datasets=[plain, repeat]
        )

    assert "FolderSegDataset hands the target's own labels" in refused(wrapped)


def test_the_demos_target_with_labels(tmp_path: Path) -> None:
    cfg = demo_config(tmp_path / "work", 1)
    cfg.train_dataloader.dataset.target.pipeline[0].with_labels = True
    with pytest.raises(UserError, match="with_labels=False"):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize("labels", ["pseudo", "ground_truth"])
def test_labels_of_the_target_that_are_meant(
    root: Path, tmp_path: Path, labels: str
) -> None:
    cfg = own_config(root, tmp_path / "work")
    target = dataset(root, "target/train", True)
    if labels == "pseudo":
        folder = str(root / "target/train/labels")
        target = dict(
            type="PseudoLabelDataset", dataset=target, pseudo_label_dir=folder
        )
    else:
        cfg.train_dataloader.dataset.target_labels = labels
    cfg.train_dataloader.dataset.target = target
    Runner.from_cfg(cfg).train()


def test_validation_with_other_classes(refused: Refused) -> None:
    def reorder(cfg: Config) -> None:
        metainfo = dict(cfg.val_dataloader.dataset.metainfo)
        metainfo["classes"] = ("car", "tree", "road")
        cfg.val_dataloader.dataset.metainfo = metainfo

    text = refused(reorder)
    assert "train_dataloader.dataset.source and val_dataloader.dataset are in" in text


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("model.decode_head", 10),
        ("model.alignments.cosine", 10),
        ("model.alignments.cosine", 2),
    ],
)
def test_another_number_of_classes(refused: Refused, key: str, number: int) -> None:
    def change(cfg: Config) -> None:
        cfg.merge_from_dict({f"{key}.num_classes": number})

    assert f"{key}.num_classes={number}, but" in refused(change)


def test_a_loop_or_sampler_that_repeats(refused: Refused) -> None:
    def epochs(cfg: Config) -> None:
        cfg.train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=2)
        cfg.train_dataloader.dataset.length = 4
        cfg.param_scheduler = None

    assert "train_cfg.type=EpochBasedTrainLoop" in refused(epochs)

    def shuffle(cfg: Config) -> None:
        cfg.train_dataloader.sampler.shuffle = True

    assert "sampler=InfiniteSampler(shuffle=True)" in refused(shuffle)


def test_labels_out_of_range_in_validation(root: Path, refused: Refused) -> None:
    for i in range(3):
        save_ids(root / f"target/val/labels/{i}.png", ids() + 1)
    text = refused(lambda cfg: None)
    assert "val/labels/0.png" in text
    assert "[3]" in text


def test_labels_that_are_resized_before_they_are_evaluated(refused: Refused) -> None:
    def early(cfg: Config) -> None:
        pipeline = cfg.val_dataloader.dataset.pipeline
        pipeline.insert(2, dict(type="ResizePIL", size=(32, 16)))

    text = refused(early)
    assert "val/labels/0.png is 32x16 behind its pipeline" in text
    assert "64x32" in text


def test_labels_of_other_images(root: Path, refused: Refused) -> None:
    for i in range(3):
        save_ids(root / f"source/labels/{i}.png", ids().T)

    def resized(cfg: Config) -> None:
        pipeline = cfg.train_dataloader.dataset.source.pipeline
        pipeline.insert(2, dict(type="ResizePIL", size=(64, 32)))

    text = refused(resized)
    assert "source/labels/0.png: the label is 32x64 pixels, its image " in text
    assert "source/images/0.png 64x32" in text


def test_images_that_are_resized_while_they_are_loaded(
    root: Path, tmp_path: Path
) -> None:
    source = dataset(root, "source", True)
    load = dict(type="LoadResizedImage", size=(32, 16), cache_dir=None)
    resize = dict(type="ResizePIL", size=(32, 16))
    source["pipeline"] = [load, source["pipeline"][1], resize, source["pipeline"][2]]
    init_default_scope("mmseg")
    facts = data_facts("source", "source", DATASETS.build(source))
    assert facts.samples[0].loaded == ((32, 64), (32, 64))
    assert compare(Facts((facts,))) == []


def test_all_that_is_wrong_is_said_at_once(root: Path, refused: Refused) -> None:
    def change(cfg: Config) -> None:
        cfg.train_dataloader.dataset.target = dataset(root, "target/train", True)
        cfg.model.decode_head.num_classes = 4

    text = refused(change)
    assert text.startswith("2 things are wrong: (1) model.decode_head.num_classes=4")


def test_one_output_channel_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"ToyHead .decode. has one output channel"):
        build(decode_head=head_config(num_classes=2, out_channels=1, threshold=0.5))


def test_a_test_is_checked_too(root: Path, tmp_path: Path) -> None:
    cfg = own_config(root, tmp_path / "work")
    cfg.model.decode_head.num_classes = cfg.model.alignments.cosine.num_classes = 5
    with pytest.raises(UserError, match=r"the test_dataloader.dataset names 3 classes"):
        Runner.from_cfg(cfg).test()


def test_a_training_says_once_what_never_runs_in_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        preflight_run, "print_log", lambda text, **options: lines.append(text)
    )
    cfg = own_config(root, tmp_path / "work", iterations=2)
    cfg.model.phases = dict(target=dict(start_iter=2))
    Runner.from_cfg(cfg).train()
    (line,) = (line for line in lines if "never runs" in line)
    assert line.startswith("preflight: model.phases.target.start_iter=2")


def test_test_data_that_is_missing_is_a_warning(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        preflight_run, "print_log", lambda text, **options: lines.append(text)
    )
    cfg = own_config(root, tmp_path / "work")
    cfg.test_dataloader = dict(cfg.val_dataloader, dataset=dataset(root, "no", True))
    Runner.from_cfg(cfg).train()
    ((line),) = lines
    assert "a test would fail: test_dataloader.dataset" in line


def save_deep(root: Path, part: str, number: int) -> None:
    """12 bits in 16, of which training's reader keeps the upper 8."""
    pixels = np.random.default_rng(number).integers(0, 4096, (32, 64, 3))
    path = root / part / f"images/{number}.png"
    assert cv2.imwrite(str(path), pixels.astype(np.uint16))


@pytest.mark.parametrize("part", ["source", "target/train", "target/val"])
def test_depth_that_is_lost_is_a_warning(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        preflight_run, "print_log", lambda text, **options: lines.append(text)
    )
    save_deep(root, part, 1)
    Runner.from_cfg(own_config(root, tmp_path / "work")).train()
    ((line),) = lines
    key = "val_dataloader.dataset"
    if part != "target/val":
        key = f"train_dataloader.dataset.{part.split('/')[0]}"
    assert line.startswith(f"preflight: {key}: {root / part}/images/1.png: holds 16")


@pytest.mark.parametrize("kind", ["wrapped", "pseudo-labels", "a reader that keeps it"])
def test_depth_that_is_lost_in_other_datasets(root: Path, kind: str) -> None:
    init_default_scope("mmseg")
    save_deep(root, "target/train", 2)
    deep = dataset(root, "target/train", kind == "pseudo-labels")
    plain = dataset(root, "source", False)
    config: dict[str, Any] = dict(type="ConcatDataset", datasets=[plain, deep])
    if kind == "pseudo-labels":
        folder = str(root / "target/train/labels")
        config = dict(type="PseudoLabelDataset", dataset=deep, pseudo_label_dir=folder)
    elif kind != "wrapped":
        deep["pipeline"][0]["color_type"] = "unchanged"
    facts = data_facts("here", "source", DATASETS.build(config))
    if kind == "a reader that keeps it":
        assert facts.lost is None
    else:
        assert facts.lost is not None
        assert "target/train/images/2.png: holds 16-bit values" in facts.lost


def states() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def test_no_random_number_is_drawn(tmp_path: Path) -> None:
    runner = Runner.from_cfg(demo_config(tmp_path / "work", 1))
    runner.train()
    before = states()
    compare(run_facts(runner.train_loop, runner.model))
    for old, new in zip(before, states(), strict=True):
        assert str(old) == str(new)
    assert torch.equal(before[2], torch.get_rng_state())


def test_training_is_the_same_without_it(tmp_path: Path) -> None:
    results = []
    for name in ("on", "off"):
        cfg = demo_config(tmp_path / name, 3)
        cfg.model.preflight = name == "on"
        results.append(train_to_end(cfg))
    for key in ("state_dict", "optimizer"):
        assert_equal_states(results[0][key], results[1][key], key)


def test_without_a_runner_nothing_happens() -> None:
    assert calling_loop() is None
    check_before_run(None)
