"""The files under configs/fda: what they say, and what differs between them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from helpers.config_files import own_values, read
from helpers.shrink import CONFIGS, config_names

from mmseg_cosda.config import read_config
from mmseg_cosda.datasets.transforms import FourierTransfer

TASKS = ("gta2cs", "synthia2cs", "synthia2cs_19way", "demo", "torcs2camvid")


def test_each_task_has_both_rounds_and_the_cosine_loss_on_top() -> None:
    expected = {
        f"fda/deeplabv2_{task}{suffix}.py"
        for task in TASKS
        for suffix in ("", "_cosine", "_pl")
    } | {
        f"fda/daformer_{task}{suffix}.py"
        for task in TASKS[:3]
        for suffix in ("", "_cosine")
    }
    assert {name for name in config_names() if name.startswith("fda/")} == expected
    for name in expected:
        assert len((CONFIGS / name).read_text().splitlines()) <= 25, name


@pytest.mark.parametrize("task", TASKS)
def test_a_child_shows_the_values_of_the_method(task: str) -> None:
    own = own_values(f"fda/deeplabv2_{task}.py")
    entropy = dict(type="EntropyLoss", loss_weight=0.005, power=2.0)
    assert own["model"]["alignments"] == dict(entropy=entropy)
    transfer = dict(type="FourierTransfer", beta=0.01)
    assert own["train_dataloader"]["dataset"]["pair_transforms"] == [transfer]


@pytest.mark.parametrize("task", TASKS)
def test_both_images_of_a_pair_have_one_size_and_something_to_swap(task: str) -> None:
    cfg = read(f"fda/deeplabv2_{task}.py")
    if task == "demo":
        height, width = 128, 256
    else:
        width, height = cfg.target_size
        source, target = (
            cfg.train_dataloader.dataset[name].pipeline for name in ("source", "target")
        )
        assert size_behind(source) == size_behind(target) == (width, height)
    (transfer,) = cfg.train_dataloader.dataset.pair_transforms
    band = math.floor(transfer.beta * min(height, width))
    assert band == {"demo": 1, "torcs2camvid": 2}.get(task, 5)


def size_behind(pipeline: Any) -> tuple[int, int]:
    """The (width, height) that a pipeline's last resize or crop gives."""
    sizes = []
    for transform in pipeline:
        if transform.type == "ResizePIL":
            sizes.append(tuple(transform.size))
        elif transform.type == "RandomCrop":
            height, width = transform.crop_size
            assert width <= sizes[-1][0]
            assert height <= sizes[-1][1]
            sizes.append((width, height))
    return sizes[-1]


@pytest.mark.parametrize("task", TASKS)
def test_the_cosine_child_is_fda_and_eq_11(task: str) -> None:
    name = f"fda/deeplabv2_{task}_cosine.py"
    own = own_values(name)["model"]["alignments"]["cosine"]
    assert {"type", "taps", "queue_size", "loss_weight"} <= own.keys()
    cfg = read(name)
    cosine = cfg.model.alignments.pop("cosine").to_dict()
    eq_11 = read(f"cosda/deeplabv2_{task}_no-pl.py").model.alignments.cosine.to_dict()
    eq_11.pop("reduction", None)  # SYNTHIA's files write the default
    assert cosine == eq_11
    assert cfg.to_dict() == read(f"fda/deeplabv2_{task}.py").to_dict()


@pytest.mark.parametrize("task", TASKS)
def test_the_second_round_is_the_first_and_pseudo_labels(task: str) -> None:
    cfg = read(f"fda/deeplabv2_{task}_pl.py")
    first = read(f"fda/deeplabv2_{task}.py")
    labelled = read(f"self_training/deeplabv2_{task}.py")
    target = cfg.train_dataloader.dataset.pop("target")
    assert target.pop("pseudo_label_dir") == cfg.pop("pseudo_label_dir")
    expected = labelled.train_dataloader.dataset.target
    expected.pop("pseudo_label_dir")
    assert target == expected
    first.train_dataloader.dataset.pop("target")
    assert cfg.to_dict() == first.to_dict()


def test_the_commands_of_the_readme_name_what_there_is() -> None:
    text = (CONFIGS / "fda/README.md").read_text()
    options = {
        "train_dataloader.dataset.pair_transforms.0.beta": 0.09,
        "param_scheduler.0.end": 150000,
        "train_cfg.max_iters": 100000,
    }
    assert all(key in text for key in options)
    cfg = read_config(str(CONFIGS / "fda/deeplabv2_gta2cs.py"), options)
    (transfer,) = cfg.train_dataloader.dataset.pair_transforms
    assert transfer == dict(type="FourierTransfer", beta=0.09)
    assert cfg.param_scheduler[0].end == 150_000
    folder = read("fda/deeplabv2_gta2cs_pl.py").pseudo_label_dir
    assert f"--out {folder}\n" in text
    last = read("fda/deeplabv2_gta2cs.py").train_cfg.max_iters
    assert f"/iter_{last}.pth" in text
    assert FourierTransfer().mode == "corner"
