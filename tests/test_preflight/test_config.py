"""The checker's comparison of a config's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.folders import save_ids, save_image
from helpers.own_data import METAINFO, dataset, ids, make_own_data, own_config
from helpers.toys import (
    CLASSES,
    build,
    cosine_config,
    head_config,
    segmentor_config,
)
from mmengine.config import Config

from mmseg_cosda.datasets.check import check_dataset, datasets_of
from mmseg_cosda.datasets.pseudo_label_files import FileRecord, report_text
from mmseg_cosda.preflight.config import (
    check_config,
    class_numbers_of,
    training_facts_of,
)
from mmseg_cosda.preflight.networks import class_numbers, late_starts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_own_data(tmp_path / "data")


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Config:
    return own_config(root, tmp_path / "work")


def problems(config: Config) -> list[tuple[str, str]]:
    content = config.to_dict()
    reports = [
        check_dataset(key, each, progress=False)
        for key, each in datasets_of(content).items()
    ]
    found = check_config(content, reports).problems
    return [(problem.kind, problem.detail) for problem in found]


def test_a_good_config_is_silent(config: Config) -> None:
    assert problems(config) == []


def test_a_pair_that_can_not_be_transformed(config: Config) -> None:
    transfer = dict(type="FourierTransfer", beta=0.01)
    config.train_dataloader.dataset.pair_transforms = [transfer]
    ((kind, text),) = problems(config)
    assert kind == "unusable"
    assert text.startswith("train_dataloader.dataset.pair_transforms: FourierTransfer")
    assert "beta=0.01 leaves nothing to swap in an image of 64x32x3" in text
    transfer["beta"] = 0.1
    config.train_dataloader.dataset.pair_transforms = [transfer]
    assert problems(config) == []


def test_a_class_in_no_source_image(root: Path, config: Config) -> None:
    for i in range(3):
        save_ids(root / f"source/labels/{i}.png", np.where(ids() == 2, 255, ids()))
    ((kind, text),) = problems(config)
    assert kind == "absent"
    assert "train_dataloader.dataset.source: no label holds the class car" in text
    # Another source has it.
    whole = dataset(root, "target/val", True)
    source = config.train_dataloader.dataset.source
    both = dict(type="ConcatDataset", datasets=[source, whole])
    config.train_dataloader.dataset.source = both
    assert problems(config) == []


def test_nothing_but_ignored_pixels(root: Path, config: Config) -> None:
    for i in range(3):
        save_ids(root / f"source/labels/{i}.png", np.full((32, 64), 255))
    kinds = dict(problems(config))
    assert "no label holds anything but ignored pixels" in kinds["absent"]
    assert "source/labels/0.png" in kinds["disagreeing"]


def test_the_targets_ground_truth_and_the_model(root: Path, config: Config) -> None:
    config.train_dataloader.dataset.target = dataset(root, "target/train", True)
    config.model.alignments.cosine.num_classes = 10
    texts = [text for kind, text in problems(config) if kind == "disagreeing"]
    assert len(texts) == 2
    assert texts[0].startswith("model.alignments.cosine.num_classes=10")
    assert "FolderSegDataset hands the target's own labels" in texts[1]


def test_what_reading_every_file_says_is_not_said_twice(
    root: Path, config: Config
) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (32, 64, 3))
    assert cv2.imwrite(str(root / "source/images/0.png"), pixels.astype(np.uint16))
    assert problems(config) == []  # check_dataset has said it
    save_ids(root / "source/labels/0.png", ids().T)
    save_image(root / "target/val/labels/1.png", 64, 32)
    assert problems(config) == []
    both = [dataset(root, part, True) for part in ("target/train", "source")]
    config.train_dataloader.dataset.source = dict(type="ConcatDataset", datasets=both)
    assert problems(config) == []


def test_one_output_channel(config: Config) -> None:
    config.model.decode_head.out_channels = 1
    ((kind, text),) = problems(config)
    assert kind == "disagreeing"
    assert text.startswith("model.decode_head has one output channel")


def test_numbers_of_a_model_and_of_its_config_are_the_same() -> None:
    discriminator = dict(type="FCDiscriminator", base_channels=2, num_classes=CLASSES)
    options: dict[str, Any] = dict(
        auxiliary_head=[head_config(), head_config()],
        alignments=dict(
            cosine=cosine_config(),
            other=dict(type="AdversarialLoss", discriminator=discriminator),
        ),
    )
    expected = class_numbers(build(**options))
    assert [key.removeprefix("model.") for key, _ in expected] == [
        "decode_head",
        "auxiliary_head[0]",
        "auxiliary_head[1]",
        "alignments.cosine",
        "alignments.other.discriminator",
    ]
    assert tuple(class_numbers_of(segmentor_config(**options))) == expected


def test_what_starts_late_of_a_model_and_of_its_config_are_the_same() -> None:
    options: dict[str, Any] = dict(
        teacher=dict(type="EMATeacher"),
        phases=dict(
            target=None,
            mixed=dict(type="ClassMixPhase", start_iter=7),
            masked=dict(type="MaskedPhase"),
        ),
        alignments=dict(entropy=dict(type="EntropyLoss", start_iter=9)),
    )
    options["phases"]["mixed"]["align"] = True
    expected = (
        ("model.phases.mixed.start_iter", 7),
        ("model.alignments.entropy.start_iter", 9),
    )
    assert late_starts(build(**options)) == expected
    assert late_starts(segmentor_config(**options)) == expected


def test_a_part_that_starts_behind_the_end(config: Config) -> None:
    config.model.phases = dict(target=dict(start_iter=config.train_cfg.max_iters))
    ((kind, text),) = problems(config)
    assert kind == "doubtful"
    assert text.startswith("model.phases.target.start_iter=")


def test_domains_of_other_classes(config: Config) -> None:
    target = config.train_dataloader.dataset.target
    target.metainfo = dict(classes=("car", "tree", "road"), palette=[[0, 0, 0]] * 3)
    ((kind, text),) = problems(config)
    assert kind == "unusable"
    assert "the domains' classes differ" in text


def test_a_missing_folder_is_said_once(root: Path, config: Config) -> None:
    config.val_dataloader.dataset.data_root = str(root / "nowhere")
    config.test_dataloader = config.val_dataloader
    assert problems(config) == []  # check_dataset has said it


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (dict(train_cfg=dict(by_epoch=True, max_epochs=3)), (True, False)),
        (dict(train_cfg=dict(type="IterBasedTrainLoop", max_iters=9)), (False, False)),
        (dict(sampler=dict(type="DefaultSampler")), (False, True)),
        (dict(sampler=dict(type="InfiniteSampler", shuffle=False)), (False, False)),
    ],
)
def test_loops_and_samplers(
    changes: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    loader = dict(dataset=dict(type="DomainPairDataset"))
    if "sampler" in changes:
        loader["sampler"] = changes["sampler"]
    config = dict(train_dataloader=loader, train_cfg=changes.get("train_cfg"))
    facts = training_facts_of(config)
    assert facts is not None
    assert (facts.by_epoch, facts.shuffle) == expected


@pytest.mark.parametrize("classes", [METAINFO["classes"], ("car", "tree", "road")])
def test_pseudo_labels_that_changed_are_said_once(
    root: Path, config: Config, classes: tuple[str, ...]
) -> None:
    folder = root / "target/train/labels"
    target = dataset(root, "target/train", True)
    config.train_dataloader.dataset.target = dict(
        type="PseudoLabelDataset", dataset=target, pseudo_label_dir=str(folder)
    )
    files = {p.name: FileRecord.of(p, p.read_bytes()) for p in folder.iterdir()}
    report = {"classes": [{"name": name} for name in classes]}
    (folder / "report.json").write_text(report_text(report, files))
    if classes == METAINFO["classes"]:
        assert problems(config) == []
        (folder / "1.png").write_bytes(b"")
    content = config.to_dict()
    key = "train_dataloader.dataset.target"
    found = check_dataset(key, content["train_dataloader"]["dataset"]["target"])
    assert len(found.problems) == 1
    assert check_config(content, [found]).problems == []
