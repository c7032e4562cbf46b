from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.config_files import read
from helpers.shrink import (
    config_names,
    every_config,
    make_folders,
    names_to_train,
    shrink,
)
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

import mmseg_cosda  # noqa: F401  (registers what the configs name)
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import PAPER_TASKS, SMALL, Setting


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_folders(root)
    return root


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip what costs the host more time than the training: no part of the test."""
    monkeypatch.setattr(Config, "pretty_text", property(lambda self: ""))
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", every_config(names_to_train()))
def test_a_config_trains_one_step_and_evaluates(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_one_step(name, {}, data, tmp_path, monkeypatch)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("row", "setting"),
    [
        ("cosine", Setting("gta2cs", translated=True)),
        ("source-only", Setting("synthia2cs", "fcn8s", translated=True)),
        *(
            (row, Setting(task))
            for row in ("no-queue", "no-class-split", "target-supervised")
            for task in ("demo", "torcs2camvid")
        ),
        ("cosine-teacher-classes", Setting("torcs2camvid")),
    ],
    ids=str,
)
def test_a_row_that_is_made_of_options_trains_too(
    row: str,
    setting: Setting,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {**setting.options, **ROWS[row].values(setting)}
    train_one_step(ROWS[row].config(setting), options, data, tmp_path, monkeypatch)


def train_one_step(
    name: str,
    options: Mapping[str, Any],
    data: Path,
    work_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    monkeypatch.setattr(
        "torch.hub.download_url_to_file", lambda *_: pytest.fail("downloads")
    )
    cfg = read(name)
    cfg.merge_from_dict(dict(options))
    shrink(cfg, work_dir / "backbone.pth")
    cfg.work_dir = str(work_dir)
    # The host keeps visualizers by name, for the whole process.
    cfg.experiment_name = cfg.visualizer.name = f"{name}{options}".replace(os.sep, "-")
    runner = Runner.from_cfg(cfg)
    before = {k: v.detach().clone() for k, v in runner.model.named_parameters()}
    runner.train()

    after = dict(runner.model.named_parameters())
    moved = {k for k, v in before.items() if not after[k].equal(v)}
    assert any(key.startswith("decode_head.") for key in moved)
    made = after.keys() - before.keys()
    assert all(key.startswith("teacher.") for key in made)
    assert bool(made) == bool(cfg.model.get("teacher"))
    assert not any(after[key].requires_grad for key in made)
    lines = [
        json.loads(line)
        for path in work_dir.glob("*/vis_data/scalars.json")
        for line in path.read_text().splitlines()
    ]
    train = next(line for line in lines if "loss" in line)
    val = lines[-1]
    assert train["loss"] > 0
    assert 0 <= val["mIoU"] <= 100
    check_losses(cfg, set(train), moved)
    if "synthia" in name:
        assert {"mIoU16", "mIoU13"} <= set(val)


def check_losses(cfg: Config, logged: set[str], moved: set[str]) -> None:
    """What the config names has taken part in the step."""
    alignments = cfg.model.alignments
    assert ("cosine.loss" in logged) == ("cosine" in alignments)
    assert ("adversarial.loss_adversarial" in logged) == ("adversarial" in alignments)
    assert ("entropy.loss" in logged) == ("entropy" in alignments)
    trained = any(key.startswith("alignments.adversarial.") for key in moved)
    assert trained == ("adversarial" in alignments)
    pairs = cfg.train_dataloader.dataset
    labelled = pairs.target.type == "PseudoLabelDataset"
    labelled = labelled or pairs.get("target_labels") == "ground_truth"
    phases = cfg.model.get("phases", {})
    target = phases.get("target") or {}
    online = target.get("labels") == "teacher" and target.get("cross_entropy", True)
    assert ("target.decode.loss_ce" in logged) == (labelled or online)
    assert ("imagenet.loss" in logged) == ("imagenet" in alignments)
    for name in ("mixed", "masked"):
        assert (f"{name}.decode.loss_ce" in logged) == (name in phases)
    if "cosine" in alignments and "mixed" in phases:
        on_target = target.get("labels") == "teacher"
        assert phases.mixed.get("align", False) != on_target


def test_every_method_has_every_task() -> None:
    names = set(config_names())
    for task in (*PAPER_TASKS, *SMALL):
        for net in ("deeplabv2", "fcn8s") if task.endswith("cs") else ("deeplabv2",):
            for row in (
                f"source_only/{net}_{task}",
                f"source_only/{net}_{task}_target-bn",
                f"self_training/{net}_{task}",
                f"adversarial/{net}_{task}_no-pl",
                f"adversarial/{net}_{task}_advent_no-pl",
                f"adversarial/{net}_{task}",
                f"cosda/{net}_{task}_no-pl",
                f"cosda/{net}_{task}",
                f"cosda/ablations/{net}_{task}_with-adversarial",
            ):
                assert f"{row}.py" in names
            for ablation in ("no-queue", "no-class-split"):
                row = f"cosda/ablations/{net}_{task}_{ablation}.py"
                assert (row in names) == task.endswith("cs")  # elsewhere an option


@pytest.mark.parametrize(
    ("name", "thresholds", "size", "weight"),
    [
        ("deeplabv2_gta2cs", {"layer4": 0.6}, 2500, 0.01),
        ("fcn8s_gta2cs", {"fc7": 0.4, "pool4": 0.5, "pool3": 0.6}, 2000, 0.001),
        ("deeplabv2_synthia2cs", {"layer4": 0.4}, 2500, 0.01),
        ("fcn8s_synthia2cs", {"fc7": 0.2, "pool4": 0.3, "pool3": 0.4}, 2000, 0.001),
    ],
)
@pytest.mark.parametrize("suffix", ["", "_no-pl", "_19way", "_19way_no-pl"])
def test_the_settings_are_those_of_table_5(
    name: str, thresholds: dict[str, float], size: int, weight: float, suffix: str
) -> None:
    if "_19way" in suffix and "gta" in name:
        pytest.skip("GTA5 has 19 classes anyway")
    cfg = read(f"cosda/{name}{suffix}.py")
    cosine = cfg.model.alignments.cosine
    assert {key: tap.threshold for key, tap in cosine.taps.items()} == thresholds
    assert (cosine.queue_size, cosine.loss_weight) == (size, weight)
    classes = 16 if "synthia" in name and "_19way" not in suffix else 19
    assert cfg.model.decode_head.num_classes == classes


def test_the_adversarial_settings_are_those_of_appendix_c() -> None:
    for net, rate, weight in (("deeplabv2", 1e-4, 1e-3), ("fcn8s", 1e-6, 1e-4)):
        for name in (
            "adversarial/{}_gta2cs",
            "cosda/ablations/{}_gta2cs_with-adversarial",
        ):
            cfg = read(f"{name.format(net)}.py")
            adam = cfg.optim_wrapper.discriminator.optimizer
            assert (adam.type, adam.lr, adam.betas) == ("Adam", rate, (0.9, 0.99))
            assert cfg.model.alignments.adversarial.loss_weight == weight
            assert cfg.model.alignments.adversarial.get("input") is None
    assert (
        read(
            "adversarial/deeplabv2_gta2cs_advent_no-pl.py"
        ).model.alignments.adversarial.input
        == "entropy"
    )


def test_classes_agree_everywhere() -> None:
    for name in config_names():
        cfg = read(name)
        classes = cfg.model.decode_head.num_classes
        for alignment in cfg.model.alignments.values():
            for part in (alignment, alignment.get("discriminator", {})):
                assert "num_classes" not in part, name  # it is the decode head's
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            for dataset in leaves(loader.dataset):
                given = dataset.get("metainfo", DATASETS.get(dataset.type).METAINFO)
                own = len(given["classes"])
                assert dataset.get("num_classes", own) == classes, name


def leaves(dataset: Any) -> list[Any]:
    inner = [dataset[key] for key in ("source", "target", "dataset") if key in dataset]
    return [leaf for part in inner for leaf in leaves(part)] if inner else [dataset]


@pytest.mark.parametrize(
    ("name", "weight", "bias"),
    [
        # learning rates of the stem, the last stage and the head
        ("cosda/deeplabv2_gta2cs.py", (2.5e-4, 2.5e-4, 2.5e-3), None),
        ("cosda/deeplabv2_gta2cs_lr-10-3-1.py", (2.5e-4, 7.5e-4, 2.5e-3), None),
        ("cosda/fcn8s_gta2cs.py", (1e-5, 1e-5, 1e-5), 2e-5),
    ],
)
def test_learning_rates_of_each_part(
    name: str, weight: tuple[float, ...], bias: float | None
) -> None:
    cfg = shrink(read(name))
    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    wrapper = Runner.build_optim_wrapper(_Carrier(model), cfg.optim_wrapper)  # type: ignore[arg-type]
    names = {id(p): key for key, p in model.named_parameters()}
    rates = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in wrapper.optimizer.param_groups
        for p in group["params"]
    }
    if "fcn8s" in name:
        parts, decay = ("backbone.conv1_1.", "backbone.fc7.", "score_fr."), 0.0
    else:
        parts, decay = ("backbone.conv1.", "layer4.0.conv2.", "decode_head."), 5e-4
    for part, rate in zip(parts, weight, strict=True):
        found = [v for k, v in rates.items() if part in k and k.endswith("weight")]
        assert found
        assert all(value == pytest.approx((rate, decay)) for value in found), part
    biases = {v[0] for k, v in rates.items() if k.endswith("bias")}
    if bias is not None:
        assert biases == {bias}


class _Carrier:
    """What ``Runner.build_optim_wrapper`` reads of a Runner."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model


def test_both_rates_of_fcn8s_fall_to_a_tenth_after_50000_steps() -> None:
    cfg = read("adversarial/fcn8s_gta2cs.py")
    (scheduler,) = cfg.param_scheduler
    assert (scheduler.type, scheduler.step_size, scheduler.gamma) == (
        "StepLR",
        50_000,
        0.1,
    )
    assert not scheduler.by_epoch


@pytest.mark.parametrize(
    "name",
    ["deeplabv2_gta2cs", "fcn8s_gta2cs", "deeplabv2_demo", "deeplabv2_torcs2camvid"],
)
def test_the_networks_at_full_size_give_what_the_taps_expect(name: str) -> None:
    cfg = read(f"cosda/{name}.py")
    cfg.model.backbone.init_cfg = None
    cosine = cfg.model.alignments.pop("cosine")
    init_default_scope("mmseg")
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
        image = torch.zeros(1, 3, 64, 128)
        maps = {"backbone": model.backbone(image), "neck": model.extract_feat(image)}
        logits = model.decode_head(maps["neck"])
        assert logits.shape[1] == cfg.model.decode_head.num_classes
    for tap in cosine.taps.values():
        part, index = tap.feature.rstrip("]").split("[")
        assert maps[part][int(index)].shape[1] == tap.channels
