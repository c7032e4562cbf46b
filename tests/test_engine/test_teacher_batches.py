"""DACS, MIC and the cosine loss: one batch, however it is divided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import free_port, run_ranks
from helpers.ranks import (
    STEPS,
    method_segmentor,
    sgd,
    train_method_rank,
    train_numbered,
)

TEACHER = dict(decay=0.6, threshold=0.4, ignore_top=3)


def assert_close(got: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if name.endswith(("stamps", "pushes")):
            continue  # a push holds one image of each process
        message = f"{name}: {{}}".format
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-6, msg=message)


@pytest.mark.parametrize("weighting", ["batch", "class_median"])
def test_two_processes_equal_one(tmp_path: Path, weighting: str) -> None:
    """Choice of classes, colors, masks, the teacher's weight: all as in one process."""
    options = dict(teacher=dict(TEACHER, weighting=weighting))
    run_ranks(train_method_rank, free_port(), str(tmp_path), options, processes=2)
    ranks = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    single = method_segmentor(**options)
    expected = train_numbered(single, sgd(single), None)
    state = single.state_dict()
    for name in state:
        assert torch.equal(ranks[0][0][name], ranks[1][0][name]), name
    assert_close(ranks[0][0], state)
    losses = ("mixed.decode.loss_ce", "masked.decode.loss_ce", "cosine.loss")
    for step in range(STEPS):
        for key in losses[:2]:
            mean = sum(logs[step][key] for _, logs in ranks) / 2
            torch.testing.assert_close(mean, expected[step][key], rtol=1e-4, atol=0)
        shares = [logs[step]["mixed.confident"] for _, logs in ranks]
        assert 0 < expected[step]["mixed.confident"] < 1
        torch.testing.assert_close(sum(shares) / 2, expected[step]["mixed.confident"])
    assert expected[-1]["cosine.loss"] > 0
    name = "backbone.last.weight"
    assert not state[f"teacher.{name}"].equal(state[name])


def test_accumulated_images_equal_a_batch() -> None:
    """Where nothing is drawn per iteration: the teacher waits for the whole batch."""
    plain = dict(jitter_probability=0, blur_probability=0)
    options: dict[str, Any] = dict(
        phases=dict(
            target=dict(labels="teacher", align=False),
            masked=dict(type="MaskedPhase", ratio=0, **plain),
        ),
        teacher=dict(TEACHER, weighting="pixel"),
        alignments={},
    )
    whole, parts = method_segmentor(**options), method_segmentor(**options)
    train_numbered(whole, sgd(whole), None)
    train_numbered(parts, sgd(parts, 2), None, accumulate=2)
    assert_close(parts.state_dict(), whole.state_dict())
    name = "backbone.last.weight"
    state = whole.state_dict()
    assert not state[f"teacher.{name}"].equal(state[name])
