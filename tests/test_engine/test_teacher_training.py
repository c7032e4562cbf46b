"""A training with a teacher through the Runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.method_runs import method_config
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from mmengine.runner import Runner

ONLINE: dict[str, Any] = {
    "model.phases": dict(target=dict(labels="teacher")),
    "model.teacher": dict(decay=0.7, weighting="class_median"),
}


def online(work_dir: Path, iterations: int, **options: Any) -> Any:
    cfg = demo_config(work_dir, iterations)
    cfg.merge_from_dict({**ONLINE, **options})
    return cfg


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    whole = train_to_end(online(tmp_path / "whole", 6))
    train_to_end(online(tmp_path / "parts", 3))
    torch.rand(17)
    parts = train_to_end(online(tmp_path / "parts", 6, resume=True))
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(parts["optimizer"], whole["optimizer"], "optimizer")
    state = whole["state_dict"]
    assert state["teacher.median.histogram"].any()
    name = "backbone.last.weight"
    assert not torch.equal(state[f"teacher.{name}"], state[name])


def test_the_teacher_is_never_optimized(tmp_path: Path) -> None:
    cfg = online(tmp_path, 1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    groups = runner.optim_wrapper.optimizer.param_groups
    optimized = {id(p) for group in groups for p in group["params"]}
    teacher = list(runner.model.teacher.parameters())
    assert teacher
    assert not optimized & {id(p) for p in teacher}
    assert optimized == {id(p) for p in runner.model.parameters() if p.requires_grad}


def test_a_test_builds_no_teacher(tmp_path: Path) -> None:
    cfg = online(tmp_path, 1)
    train_to_end(cfg)
    again = online(tmp_path / "test", 1, load_from=str(tmp_path / "iter_1.pth"))
    runner = Runner.from_cfg(again)
    assert runner.test()["mIoU"] >= 0
    assert not runner.model.teacher.built


def test_load_from_starts_with_a_copy(tmp_path: Path) -> None:
    """A teacher method from a source-only model: the teacher is that model."""
    train_to_end(demo_config(tmp_path / "first", 3))
    first = str(tmp_path / "first" / "iter_3.pth")
    cfg = online(tmp_path / "second", 1, load_from=first)
    state = train_to_end(cfg)["state_dict"]
    before = torch.load(first, weights_only=False)["state_dict"]
    name = "backbone.last.weight"
    assert torch.equal(state[f"teacher.{name}"], before[name])
    assert not torch.equal(state[name], before[name])


@pytest.mark.usefixtures("amp_on_cpu")
@pytest.mark.parametrize("config", [online, method_config])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_amp(tmp_path: Path, dtype: str, config: Callable[..., Any]) -> None:
    cfg = config(tmp_path, 6)
    cfg.merge_from_dict(
        {"optim_wrapper.type": "AmpOptimWrapper", "optim_wrapper.dtype": dtype}
    )
    state = train_to_end(cfg)["state_dict"]
    assert all(v.isfinite().all() for v in state.values() if v.is_floating_point())
    name = "backbone.last.weight"
    assert state[name].dtype == state[f"teacher.{name}"].dtype == torch.float32
    assert not state[name].equal(state[f"teacher.{name}"])
