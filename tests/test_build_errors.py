"""Mistakes of a config that show when its parts are built have file, line and name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, LOOPS, OPTIMIZERS
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch.utils.data import DataLoader

from mmseg_cosda.build_errors import config_mistakes, explain
from mmseg_cosda.config_takers import of_type
from mmseg_cosda.errors import UserError, run_tool

TEXT = """
_base_ = ["base.py"]
optimizer = dict(type="AdmaW", lrr=1e-3)
hook = dict(type="ChekpointHook")
randomness = dict(sede=1)
train_dataloader = dict(batchsize=2)
"""
BASE = """
model = dict(
    type="FCNHed",
)
"""


@pytest.fixture
def cfg(tmp_path: Path) -> Any:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "a.py").write_text(TEXT)
    return Config.fromfile(tmp_path / "a.py")


def loader(cfg: Any) -> None:
    dataset: Any = [1]
    DataLoader(dataset, **cfg.train_dataloader)


def sgd(cfg: Any) -> None:
    OPTIMIZERS.get("SGD")([], lrr=cfg.optimizer.lrr)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            lambda cfg: MODELS.build(cfg.model),
            "base.py, line 3: no model is called 'FCNHed'; did you mean FCNHead?",
        ),
        (
            lambda cfg: OPTIMIZERS.build(cfg.optimizer),
            "a.py, line 3: no optimizer is called 'AdmaW'; did you mean AdamW?",
        ),
        (
            lambda cfg: HOOKS.build(cfg.hook),
            "a.py, line 4: no hook is called 'ChekpointHook'; did you mean "
            "CheckpointHook?",
        ),
        (
            lambda cfg: LOOPS.build(dict(type="Unknown")),
            "a.py: no loop is called 'Unknown'; import its module (custom_imports), or "
            "mend the name",
        ),
        (sgd, "a.py, line 3: SGD takes no 'lrr'; did you mean 'lr'?"),
        (
            lambda cfg: Runner.set_randomness(None, **cfg.randomness),
            "a.py, line 5: randomness takes no 'sede'; did you mean 'seed'?",
        ),
        (
            loader,
            "a.py, line 6: train_dataloader takes no 'batchsize'; did you mean "
            "'batch_size'?",
        ),
        (
            lambda cfg: LOOPS.build(dict(type="IterBasedTrainLoop", max_iters=1)),
            "a.py: IterBasedTrainLoop needs 'runner' and 'dataloader'",
        ),
        (
            lambda cfg: MODELS.build(dict(norm=True)),
            "a.py: a part of it has no type: {'norm': True}",
        ),
    ],
)
def test_file_line_and_nearest_name(
    cfg: Any, build: Callable[[Any], None], expected: str
) -> None:
    with pytest.raises(UserError) as caught, config_mistakes(cfg):
        build(cfg)
    folder = Path(cfg.filename).parent
    assert str(caught.value).replace(f"{folder}/", "") == f"config {expected}"


def test_an_optimizer_that_the_host_s_constructor_does_not_find() -> None:
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type="AdmaW"))))
    error = TypeError("None is not a callable object")
    assert explain(error, cfg) == "no optimizer is called 'AdmaW'; did you mean AdamW?"


def throw(error: Exception) -> None:
    raise error


def test_errors_that_are_nobody_s_config(cfg: Any) -> None:
    for error in (
        KeyError("weight"),
        TypeError("f() got an unexpected keyword argument 'x'"),
        TypeError("SGD.__init__() got an unexpected keyword argument 'lr'"),
        TypeError("None is not a callable object"),
        TypeError("f() missing 1 required positional argument: 'x'"),
    ):
        assert explain(error, cfg) is None
        with pytest.raises(type(error)):
            run_tool(functools.partial(throw, error))


def test_a_tool_tells_what_it_builds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_tool(lambda: MODELS.build(dict(type="FCNHed")))
    expected = "error: no model is called 'FCNHed'; did you mean FCNHead?\n"
    assert capsys.readouterr().err == expected


def test_what_a_class_hands_on_is_its_own() -> None:
    taker = of_type("PolyLR")  # takes *args and **kwargs for the class behind it
    assert taker is not None
    assert {"power", "eta_min", "begin", "by_epoch"} <= taker.keys
    assert "powr" not in taker.keys
    assert of_type("NoSuchType") is None
