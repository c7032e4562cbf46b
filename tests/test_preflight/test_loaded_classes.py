"""A checkpoint's classes against the data's, on every way of loading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.own_data import make_own_data, own_config
from helpers.toys import build, head_config
from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint
from mmseg.registry import MODELS

from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight import run as preflight_run
from mmseg_cosda.preflight.facts import DataFacts, Facts, LoadedFacts, TrainingFacts
from mmseg_cosda.preflight.loaded_classes import classes_of, compare_loaded
from mmseg_cosda.preflight.rules import compare
from mmseg_cosda.preflight.weights import loaded_facts

OWN = ("road", "tree", "car")
ORDER = ("road", "car", "tree")


@pytest.mark.parametrize(
    ("theirs", "level_in_a_test", "level_in_a_training"),
    [
        (OWN, None, None),
        (("Road", "TREE", "car"), None, None),
        (ORDER, "error", "error"),
        (("road", "plants", "car"), "warning", "warning"),
        (("road", "car", "plants"), "error", "warning"),
        (("road", "tree"), "error", "warning"),
        ((), "info", "info"),
    ],
)
def test_what_a_difference_means(
    theirs: Sequence[str], level_in_a_test: str | None, level_in_a_training: str | None
) -> None:
    levels = []
    for trains in (False, True):
        finding = compare_loaded("a.pth", theirs, "the data", OWN, trains)
        levels.append(None if finding is None else finding.level)
        assert finding is None or "\n" not in finding.text
    assert levels == [level_in_a_test, level_in_a_training]


def test_the_first_difference_and_the_cure_are_named() -> None:
    finding = compare_loaded("a.pth", ORDER, "the data", OWN)
    assert finding is not None
    assert finding.text.startswith(
        "a.pth has the classes of the data in another order: id 1 is 'car' there, "
        "'tree' here (there ['road', 'car', 'tree'], here ['road', 'tree', 'car'])"
    )
    assert "metainfo=dict(classes=...)" in finding.text
    assert "prefix" not in finding.text
    finding = compare_loaded("a.pth", ORDER, "the data", OWN, trains=True)
    assert finding is not None
    assert 'prefix="backbone."' in finding.text


def test_other_numbers_are_said_once() -> None:
    data = DataFacts("a", "test", classes=OWN)
    loaded = LoadedFacts("a.pth", ("road", "tree"))
    two = (("model.decode_head", 2),)
    ((finding),) = compare(Facts((data,), two, loaded=loaded))
    assert finding.text.startswith("model.decode_head.num_classes=2")
    three = (("model.decode_head", 3),)
    ((finding),) = compare(Facts((data,), three, loaded=loaded))
    assert "2 classes there, 3 here" in finding.text
    training = TrainingFacts()
    assert [f.level for f in compare(Facts((data,), three, training, loaded))] == [
        "warning"
    ]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"dataset_meta": {"classes": ("a", "b")}}, ("a", "b")),
        ({"CLASSES": ["a"]}, ("a",)),
        ({"dataset_meta": None}, ()),
        ({"dataset_meta": {"classes": "ab"}}, ()),
        (None, ()),
    ],
)
def test_what_a_checkpoint_says(meta: Any, expected: tuple[str, ...]) -> None:
    assert classes_of(meta) == expected


def saved(path: Path, model: Any, classes: Sequence[str] | None = ORDER) -> str:
    meta = {} if classes is None else {"dataset_meta": {"classes": classes}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return str(path)


def test_whose_head_a_model_has(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", build(), list("abcd"))
    model = build()
    assert loaded_facts(model) is None
    load_checkpoint(model, path)
    assert loaded_facts(model) == LoadedFacts(f"checkpoint {path}", tuple("abcd"))
    model.load_state_dict(build().state_dict())  # from no file
    assert loaded_facts(model) is None
    head = dict(type="Pretrained", checkpoint=path, prefix="decode_head.")
    model = build(decode_head=head_config(init_cfg=head))
    model.init_weights()
    assert loaded_facts(model) == LoadedFacts(
        f"init_cfg.checkpoint={path}", tuple("abcd")
    )
    other = head_config(num_classes=5)
    model = build(decode_head=other, auxiliary_head=[head_config()] * 9)
    load_checkpoint(model, saved(tmp_path / "b.pth", build()))
    assert loaded_facts(model) is None  # its head stays random


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    return own_config(make_own_data(tmp_path / "data"), tmp_path / "work")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(
        preflight_run, "print_log", lambda text, **options: found.append(text)
    )
    return found


def test_a_test_of_another_order_is_refused(
    cfg: Config, tmp_path: Path, lines: list[str]
) -> None:
    """As the host's test.py runs it."""
    cfg.load_from = saved(tmp_path / "a.pth", MODELS.build(cfg.model))
    with pytest.raises(UserError, match=r"load_from=.*a\.pth has the classes of test_"):
        Runner.from_cfg(cfg).test()
    cfg.experiment_name = "right"
    cfg.load_from = saved(tmp_path / "b.pth", MODELS.build(cfg.model), OWN)
    Runner.from_cfg(cfg).test()
    assert lines == []
    cfg.experiment_name = "none"
    cfg.load_from = saved(tmp_path / "c.pth", MODELS.build(cfg.model), None)
    Runner.from_cfg(cfg).test()
    ((line),) = lines
    assert "names no classes: its outputs are taken for those of test_dat" in line


def test_a_training_begins_with_the_same_order(cfg: Config, tmp_path: Path) -> None:
    cfg.load_from = saved(tmp_path / "a.pth", MODELS.build(cfg.model))
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError, match="has the classes of train_dataloader"):
        runner.train()
    assert not runner.optim_wrapper.optimizer.state


def test_a_resume_has_the_same_order(cfg: Config) -> None:
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", by_epoch=False)
    Runner.from_cfg(cfg).train()
    path = Path(cfg.work_dir, "iter_1.pth")
    content = torch.load(path, weights_only=False)
    content["meta"]["dataset_meta"]["classes"] = ORDER
    torch.save(content, path)
    cfg.experiment_name, cfg.resume = "again", True
    cfg.train_cfg.max_iters = 2
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError, match=r"resume=.*iter_1\.pth has the classes of tra"):
        runner.train()
    assert runner.iter == 1
