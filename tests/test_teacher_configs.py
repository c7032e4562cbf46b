"""The files under configs/{dacs,daformer,mic}: their values, and what differs."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.config_files import read
from helpers.shrink import CONFIGS, config_names
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.label_maps import CLASS_SUBSETS
from mmseg_cosda.models.alignments.feature_distance_loss import THINGS
from mmseg_cosda.models.phases.class_mix import ClassMixPhase
from mmseg_cosda.models.phases.masked import MaskedPhase
from mmseg_cosda.reproduce.settings import NET_TASKS, SMALL
from mmseg_cosda.reproduce.staged_rows import CLASSES_BY_A_TEACHER

METHODS = ("dacs", "daformer", "mic")
NETS = ("deeplabv2", "daformer")
FILES = [(net, task) for net in NETS for task in NET_TASKS[net]]
REAL = [(net, task) for net, task in FILES if task not in SMALL]
TARGET_ALIGNED = "deeplabv2_torcs2camvid_cosine-target.py"
ON_TARGET = ("dacs", "mic")
HEIGHTS = {"demo": 128, "torcs2camvid": 240}


def test_each_net_has_each_task_with_and_without_the_cosine_loss() -> None:
    for method in METHODS:
        found = {name for name in config_names() if name.startswith(f"{method}/")}
        assert found == {
            f"{method}/{net}_{task}{suffix}.py"
            for net, task in FILES
            for suffix in ("", "_cosine")
        } | ({f"{method}/{TARGET_ALIGNED}"} if method in ON_TARGET else set())


def test_a_teachers_classes_in_the_cosine_loss_alone_are_the_online_ones() -> None:
    start = "model.teacher."
    values = {
        key.removeprefix(start): value
        for key, value in CLASSES_BY_A_TEACHER.items()
        if key.startswith(start)
    }
    assert values == read("cosda/deeplabv2_torcs2camvid_online.py").model.teacher


@pytest.mark.parametrize(("net", "task"), FILES)
@pytest.mark.parametrize("method", METHODS)
def test_the_cosine_child_is_the_method_and_eq_11(
    method: str, net: str, task: str
) -> None:
    cfg = read(f"{method}/{net}_{task}_cosine.py")
    cosine = cfg.model.alignments.pop("cosine").to_dict()
    eq_11 = read(f"cosda/{net}_{task}_no-pl.py").model.alignments.cosine.to_dict()
    eq_11.pop("reduction", None)  # SYNTHIA's files write the default
    assert cosine == eq_11
    assert cfg.model.phases.mixed.pop("align") is True
    plain = read(f"{method}/{net}_{task}.py")
    assert cfg.to_dict() == plain.to_dict()
    assert not any(each and each.get("align") for each in plain.model.phases.values())


@pytest.mark.parametrize(("net", "task"), REAL)
@pytest.mark.parametrize("method", METHODS)
def test_the_published_constants(method: str, net: str, task: str) -> None:
    cfg = read(f"{method}/{net}_{task}.py")
    teacher, phases = cfg.model.teacher, cfg.model.phases
    assert teacher.threshold == 0.968
    assert teacher.get("weighting", "batch") == "batch"
    margins = teacher.get("ignore_top", 0), teacher.get("ignore_bottom", 0)
    source = cfg.train_dataloader.dataset.get("source_order")
    mixed = ClassMixPhase(**without_type(phases.mixed))
    assert (mixed.jitter_probability, mixed.blur_probability) == (0.8, 0.5)
    assert (mixed.sigma, mixed.divisor, mixed.loss_weight) == ((0.15, 1.15), "all", 1)
    assert phases.target is None
    weighted = cfg.model.decode_head.loss_decode.avg_non_ignore
    if method == "dacs":
        assert (teacher.decay, margins, source, weighted) == (0.99, (0, 0), None, True)
        assert (mixed.classes, mixed.jitter_strength) == ("image", 0.25)
        assert not cfg.model.alignments
        assert "reference" not in cfg.model
    else:
        assert (teacher.decay, margins, weighted) == (0.999, (15, 120), False)
        assert source == dict(type="RareClassOrder", temperature=0.01)
        assert (mixed.classes, mixed.jitter_strength) == ("batch", 0.2)
        assert cfg.model.alignments.imagenet.loss_weight == 0.005
        assert cfg.model.reference == dict(type="FrozenReference")
    assert ("masked" in phases) == (method == "mic")
    crops = [
        transform.crop_size
        for domain in ("source", "target")
        for transform in cfg.train_dataloader.dataset[domain].pipeline
        if transform.type == "RandomCrop"
    ]
    # Margins are right because a crop is as high as the target's image.
    assert crops == [(512, 512)] * 2
    assert cfg.train_dataloader.batch_size == 2
    length = 250_000 if (method, net) == ("dacs", "deeplabv2") else 40_000
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[-1].end == length


def without_type(part: Any) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "type"}


@pytest.mark.parametrize(("net", "task"), FILES)
def test_mic_is_daformers_recipe_and_a_masked_image(net: str, task: str) -> None:
    cfg = read(f"mic/{net}_{task}.py")
    masked = cfg.model.phases.pop("masked")
    assert cfg.to_dict() == read(f"daformer/{net}_{task}.py").to_dict()
    phase = MaskedPhase(**without_type(masked))
    assert (phase.block, phase.ratio) == (HEIGHTS.get(task, 512) // 16, 0.7)
    assert phase.color
    assert phase.jitter_strength == 0.2
    assert phase.sigma == tuple(cfg.model.phases.mixed.get("sigma", (0.15, 1.15)))


@pytest.mark.parametrize("task", SMALL)
def test_the_small_tasks_are_scaled(task: str) -> None:
    for method in METHODS:
        cfg = read(f"{method}/deeplabv2_{task}.py")
        teacher, mixed = cfg.model.teacher, cfg.model.phases.mixed
        decay = {"demo": 0.95, "torcs2camvid": 0.99}[task]
        assert (teacher.decay, teacher.threshold) == (decay, 0.968)
        assert "ignore_top" not in teacher  # 135 rows would be most of an image
        assert "ignore_bottom" not in teacher
        scale = HEIGHTS[task] / 512
        assert mixed.sigma == pytest.approx((0.15 * scale, 1.15 * scale), abs=0.025)
        eq_11 = read(f"cosda/deeplabv2_{task}_no-pl.py")
        for key in ("optim_wrapper", "param_scheduler", "train_cfg"):
            assert cfg[key] == eq_11[key]
        pretrained = cfg.model.backbone.init_cfg is not None
        assert ("reference" in cfg.model) == (pretrained and method != "dacs")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("net", NETS)
def test_what_the_real_tasks_differ_in(method: str, net: str) -> None:
    """So a step of one of them stands for the others."""
    gta, wide, narrow = (
        read(f"{method}/{net}_{task}.py")
        for task in ("gta2cs", "synthia2cs_19way", "synthia2cs")
    )
    assert wide.model.to_dict() == gta.model.to_dict()
    assert narrow.model.decode_head.pop("num_classes") == 16
    assert wide.model.decode_head.pop("num_classes") == 19
    for cfg in (wide, narrow):
        cfg.model.alignments.get("imagenet", {}).pop("classes", None)
    assert wide.model.to_dict() == narrow.model.to_dict()
    for key in ("optim_wrapper", "param_scheduler", "train_cfg"):
        assert gta[key] == wide[key] == narrow[key]


THING_WORDS = {
    *("light", "sign", "signsymbol", "person", "pedestrian", "rider", "bicyclist"),
    *("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}


def test_the_feature_distance_is_of_the_things_that_a_task_has() -> None:
    named = 0
    for name in config_names():
        cfg = read(name)
        distance = cfg.model.alignments.get("imagenet")
        if distance is None:
            continue
        dataset = cfg.val_dataloader.dataset
        names = DATASETS.get(dataset.type).METAINFO["classes"]
        if dataset.get("num_classes") == 16:
            names = CLASS_SUBSETS["mIoU16"]
        assert len(names) == cfg.model.decode_head.num_classes
        things = {i for i, each in enumerate(names) if each.split()[-1] in THING_WORDS}
        assert set(distance.get("classes", THINGS)) == things, name
        named += "classes" in distance
    assert named


def test_a_readme_shows_the_config_of_each_row() -> None:
    for method in METHODS:
        text = (CONFIGS / method / "README.md").read_text()
        for net, task in REAL:
            for suffix in ("", "_cosine"):
                row = f"| `{net}_{task}{suffix}.py` |"
                assert row in text, (method, row)
