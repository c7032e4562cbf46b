"""What a reader of configs/ relies on: where a value stands, how many files to open."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import pytest
from helpers.config_files import files_opened, own_values, read
from helpers.shrink import CONFIGS, config_names
from mmengine.config import Config
from mmengine.fileio import load

from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import COSINE, TRANSLATED

BASES = sorted((CONFIGS / "_base_").rglob("*.py"))
COSDA = [name for name in config_names() if name.startswith("cosda/")]
ONLINE = [name for name in COSDA if name.endswith("_online.py")]
ON_TOP = [name for name in config_names() if name.endswith("_cosine.py")]
ADVERSARIAL = [name for name in config_names() if "adversarial" in name]


@pytest.mark.parametrize("name", sorted({*COSDA, *ON_TOP} - {*ONLINE}))
def test_a_child_shows_the_values_of_its_cosine_loss(name: str) -> None:
    cosine = own_values(name)["model"]["alignments"]["cosine"]
    assert cosine["type"] == "ClassWiseCosineLoss"
    assert {"taps", "queue_size", "loss_weight"} <= cosine.keys()
    for tap in cosine["taps"].values():
        assert tap.keys() == {"feature", "channels", "threshold"}


@pytest.mark.parametrize("name", ONLINE)
def test_a_child_shows_whose_labels_it_trains_on(name: str) -> None:
    model = own_values(name)["model"]
    assert model["teacher"].keys() == {"type", "decay", "weighting", "quantile", "cap"}
    assert model["phases"] == dict(target=dict(labels="teacher"))
    cfg, eq_11 = read(name), read(name.replace("_online", "_no-pl"))
    assert cfg.model.pop("teacher")
    assert cfg.model.pop("phases")
    assert cfg.to_dict() == eq_11.to_dict()


def test_own_datas_mic_is_that_of_gta_without_the_reference_and_margins() -> None:
    own, gta = read("own_data/mic_cosine.py"), read("mic/deeplabv2_gta2cs_cosine.py")
    assert gta.model.alignments.pop("imagenet")
    for key in ("ignore_top", "ignore_bottom"):
        assert gta.model.teacher.pop(key)
    for key in ("teacher", "phases", "alignments"):
        assert own.model[key] == gta.model[key]
    orders = [cfg.train_dataloader.dataset.source_order for cfg in (own, gta)]
    assert {"type", "temperature"} <= orders[0].keys()
    assert orders[0].items() <= orders[1].items()


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_child_shows_the_values_of_its_adversarial_loss(name: str) -> None:
    values = own_values(name)
    adversarial = values["model"]["alignments"]["adversarial"]
    assert adversarial["type"] == "AdversarialLoss"
    assert {"discriminator", "loss_weight"} <= adversarial.keys()
    assert ("input" in adversarial) == ("advent" in name)
    wrapper = values["optim_wrapper"]
    assert wrapper["constructor"] == "JointOptimWrapperConstructor"
    assert {"type", "lr", "betas"} <= wrapper["discriminator"]["optimizer"].keys()


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.name)
def test_a_base_is_of_no_method_and_a_schedule_of_no_data(path: Path) -> None:
    cfg = Config.fromfile(path)
    assert not cfg.get("model", {}).get("alignments")
    assert "discriminator" not in cfg.get("optim_wrapper", {})
    named = set(keys_of(cfg.to_dict()))
    if path.parent.name != "datasets":
        assert not named & {"dataset", "data_root", "data_prefix", "pipeline"}
    if path.parent.name != "models":
        assert "model" not in named


def keys_of(node: Any) -> list[str]:
    parts = node.values() if isinstance(node, dict) else node
    own = list(node) if isinstance(node, dict) else []
    nested = [part for part in parts if isinstance(part, (dict, list, tuple))]
    return own + [key for part in nested for key in keys_of(part)]


def test_few_files_are_opened_to_read_a_child() -> None:
    opened = {name: len(files_opened(name)) for name in config_names()}
    assert statistics.median(opened.values()) <= 6
    assert max(opened.values()) <= 8, max(opened, key=lambda name: opened[name])


def test_children_are_short() -> None:
    for name in config_names():
        longest = 60 if name == "own_data/source_only.py" else 30  # one file to fill in
        assert len((CONFIGS / name).read_text().splitlines()) <= longest, name


@pytest.mark.parametrize("name", config_names())
def test_the_pipeline_and_the_label_folder_are_one_variable_each(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in os.environ:
        monkeypatch.delenv(key)
    cfg = Config.fromfile(CONFIGS / name)
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.test_pipeline[-1].type == "PackSegInputs"
    target = cfg.train_dataloader.dataset.target
    if target.type == "PseudoLabelDataset":
        assert target.pseudo_label_dir == cfg.pseudo_label_dir


@pytest.mark.parametrize("row", ["no-queue", "no-class-split"])
@pytest.mark.parametrize("task", ["gta2cs", "synthia2cs"])
@pytest.mark.parametrize("net", ["deeplabv2", "fcn8s"])
def test_an_ablations_file_is_eq_12_and_one_option(
    row: str, task: str, net: str
) -> None:
    cfg = read(f"cosda/{net}_{task}.py")
    cfg.merge_from_dict(dict(ROWS[row].options))
    assert read(f"cosda/ablations/{net}_{task}_{row}.py").to_dict() == cfg.to_dict()
    assert len(ROWS[row].options) == 1
    assert all(key.startswith(COSINE) for key in ROWS[row].options)


def test_translated_images_lie_beside_the_original_labels() -> None:
    for task, labels in (("gta2cs", "labels"), ("synthia2cs", "GT/LABELS")):
        cfg = read(f"cosda/deeplabv2_{task}.py")
        cfg.merge_from_dict(dict(TRANSLATED))
        source = cfg.train_dataloader.dataset.source
        assert source.data_prefix.img_path == "images_translated"
        assert source.data_prefix.seg_map_path == labels
        assert source.same_size is False


def test_the_documented_options_are_those_of_translated() -> None:
    options = [f"{key}={value}" for key, value in TRANSLATED.items()]
    for page in ("docs/reproduce.md", "configs/cosda/README.md"):
        text = (CONFIGS.parent / page).read_text()
        assert all(option in text for option in options), page


def test_the_metafiles_list_every_config() -> None:
    listed = [
        model["Config"]
        for path in CONFIGS.glob("*/metafile.yml")
        for model in load(path)["Models"]
    ]
    assert sorted(listed) == [f"configs/{name}" for name in config_names()]
    index = load(CONFIGS.parent / "model-index.yml")["Import"]
    paths = CONFIGS.glob("*/metafile.yml")
    assert index == sorted(str(path.relative_to(CONFIGS.parent)) for path in paths)


def test_the_class_weights_are_those_of_the_rendered_labels() -> None:
    page = (CONFIGS.parent / "docs/torcs2camvid.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith("| source | 462"))
    shares = [float(cell) for cell in row.split("|")[3:14]]
    median = statistics.median(shares)
    weights = [(median / share) ** 0.5 for share in shares]
    mean = sum(w * share for w, share in zip(weights, shares, strict=True)) / 100
    head = read("source_only/deeplabv2_torcs2camvid.py").model.decode_head
    expected = [weight / mean for weight in weights]
    assert head.loss_decode.class_weight == pytest.approx(expected, abs=0.006)
    assert len(shares) == head.num_classes


def test_both_stages_are_as_long_and_the_oracle_as_both() -> None:
    first = read("source_only/deeplabv2_torcs2camvid.py")
    second = read("source_only/deeplabv2_torcs2camvid_continued.py")
    rates = first.optim_wrapper.optimizer.lr, second.optim_wrapper.optimizer.lr
    assert rates[1] == rates[0] / 2
    second.optim_wrapper.optimizer.lr = rates[0]
    assert first.to_dict() == second.to_dict()
    assert first.param_scheduler[0].end == first.train_cfg.max_iters
    oracle = ROWS["target-supervised"].by_task["torcs2camvid"]
    for key in ("train_cfg.max_iters", "param_scheduler.0.end"):
        assert oracle[key] == 2 * first.train_cfg.max_iters
