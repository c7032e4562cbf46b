"""DACS, MIC and the cosine loss: stopped or killed, a training goes on exactly."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.method_runs import method_config, train_until_killed
from helpers.processes import run_process
from helpers.toy_runs import assert_equal_states, train_to_end

SLOW = pytest.mark.slow  # the usual run has a stop without workers, a kill with one


def assert_equal_runs(got: dict[str, Any], expected: dict[str, Any]) -> None:
    for part in ("state_dict", "optimizer"):
        assert_equal_states(got[part], expected[part], part)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=SLOW)])
def test_a_resumed_run_equals_one_that_never_stopped(
    tmp_path: Path, workers: int
) -> None:
    """It stops before the masked phase's first iteration."""
    options = {"train_dataloader.num_workers": workers}
    whole = train_to_end(method_config(tmp_path / "whole", 6, **options))
    train_to_end(method_config(tmp_path / "parts", 3, **options))
    torch.rand(17)  # what the first part left in the global generator is not needed
    parts = train_to_end(method_config(tmp_path / "parts", 6, resume=True, **options))
    assert_equal_runs(parts, whole)
    state = whole["state_dict"]
    assert state["alignments.cosine.queues.last.counts"].any()
    assert state["teacher.median.histogram"].any()
    name = "backbone.last.weight"
    assert not state[f"teacher.{name}"].equal(state[name])


@pytest.mark.parametrize("workers", [pytest.param(0, marks=SLOW), 1])
def test_a_killed_run_equals_one_that_never_stopped(
    tmp_path: Path, workers: int
) -> None:
    """It dies in iteration 4, of which nothing must be left, and goes on from 3."""
    options = {"train_dataloader.num_workers": workers}
    done = run_process(train_until_killed, tmp_path / "dead", 4, options, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    written = sorted(path.name for path in (tmp_path / "dead").glob("iter_*"))
    assert written == ["iter_3.pth"]
    whole = train_to_end(method_config(tmp_path / "whole", 6, **options))
    again = train_to_end(method_config(tmp_path / "dead", 6, resume=True, **options))
    assert_equal_runs(again, whole)


@pytest.mark.parametrize(
    "stop", [pytest.param(0, marks=SLOW), 3, pytest.param(5, marks=SLOW)]
)
def test_a_phase_begins_at_its_iteration(tmp_path: Path, stop: int) -> None:
    """Of 7, at number 4, wherever the run stopped; the other is there from 0."""
    options = {
        "default_hooks.logger.interval": 1,
        "default_hooks.checkpoint.interval": 1,
    }
    if stop:
        train_to_end(method_config(tmp_path / "run", stop, **options))
    train_to_end(method_config(tmp_path / "run", 7, resume=stop > 0, **options))
    lines: dict[int, set[str]] = {}
    for path in (tmp_path / "run").glob("*/vis_data/scalars.json"):
        for line in path.read_text().splitlines():
            logged = json.loads(line)
            lines.setdefault(logged["step"], set()).update(logged)
    began = [step - 1 for step, keys in lines.items() if "masked.confident" in keys]
    assert sorted(lines) == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(began) == [4, 5, 6]
    assert all("mixed.confident" in keys for keys in lines.values())
