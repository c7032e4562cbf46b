"""The soak's parts: what it would find, were there something (tests/soak.py)."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.soak.compare import compare_runs, first_difference
from helpers.soak.kills import Kill, plan_kills
from helpers.soak.runs import Undisturbed, _wait_for
from helpers.soak.watch import iteration_of, names_in, resident
from helpers.training_files import evaluation, train_line, write_log
from mmengine.logging import HistoryBuffer


def state(seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    names = ("backbone.weight", "teacher.backbone.weight", "alignments.cosine.counts")
    losses, times = HistoryBuffer([0.5, 0.25], [1, 1]), HistoryBuffer([9], [1])
    return {
        "meta": {"iter": 20, "seed": 0, "time": "now"},
        "state_dict": {name: torch.rand(3, generator=generator) for name in names},
        "optimizer": {"state": {0: {"exp_avg": torch.rand(3, generator=generator)}}},
        "param_schedulers": [{"last_step": 20}],
        "message_hub": {
            "log_scalars": {
                "train/loss": losses,
                "train/time": times,
            },
            "runtime_info": {"best_score": 50.0, "best_ckpt": "/a/best_mIoU_iter_10"},
        },
    }


def make_run(folder: Path, change: Callable[[dict[str, Any]], None] | None) -> Path:
    content = state()
    lines = [train_line(10, loss=0.5), evaluation(10, 50.0), evaluation(20, 40.0)]
    write_log(folder, "20260101_000000", *lines)
    torch.save(state(1), folder / "best_mIoU_iter_10.pth")
    if change is not None:
        change(content)
    torch.save(content, folder / "iter_20.pth")
    return folder


def spoil_bit(content: dict[str, Any]) -> None:
    weight = content["state_dict"]["teacher.backbone.weight"]
    weight[1] = torch.nextafter(weight[1], torch.tensor(2.0))


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "teacher": spoil_bit,
    "optimizer": lambda c: c["optimizer"]["state"][0]["exp_avg"].neg_(),
    "param_schedulers": lambda c: c["param_schedulers"][0].update(last_step=21),
    "best score": lambda c: c["message_hub"]["runtime_info"].update(best_score=51.0),
    "names of weights": lambda c: c["state_dict"].update(more=torch.ones(1)),
    "training's notes": lambda c: c["meta"].update(seed=1),
    "each iteration's losses": lambda c: c["message_hub"]["log_scalars"].update(
        {"train/loss": HistoryBuffer([0.5, 0.5], [1, 1])}
    ),
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_difference_is_found_where_it_is(tmp_path: Path, part: str) -> None:
    one = make_run(tmp_path / "one", None)
    same = compare_runs(one, make_run(tmp_path / "same", None), 20)
    assert not [text for _, text in same.values() if text]
    other = compare_runs(one, make_run(tmp_path / "other", CHANGES[part]), 20)
    assert [name for name, (_, text) in other.items() if text] == [part]


def test_files_logs_and_evaluations_count(tmp_path: Path) -> None:
    one, other = (make_run(tmp_path / name, None) for name in ("one", "other"))
    (other / ".iter_20.pth.abcd1234").touch()
    write_log(other, "20260101_000001", evaluation(20, 41.0))
    torch.save(state(2), other / "best_mIoU_iter_10.pth")
    rows = compare_runs(one, other, 20)
    found = {name for name, (_, text) in rows.items() if text}
    assert found == {"files", "evaluations", "log lines", "best checkpoint"}


def test_bits_are_compared() -> None:
    assert first_difference({"a": [1, 2.0]}, {"a": [1, 2.5]}) == "a.1: 2.0, 2.5"
    zero = torch.tensor([0.0])
    assert first_difference(zero, -zero, "w") == "w: 1 of 1 values"
    nan = torch.tensor([float("nan")])
    assert not first_difference(nan, nan.clone())
    assert "float64" in first_difference(nan, nan.double())


def test_kills_are_drawn_from_the_seed() -> None:
    kills = plan_kills(8, 2000, 100, random.Random(0))
    assert kills == plan_kills(8, 2000, 100, random.Random(0))
    assert kills != plan_kills(8, 2000, 100, random.Random(1))
    kinds = [kill.kind for kill in kills]
    assert sorted(kinds) == sorted(["step", "checkpoint", "validation", "start"] * 2)
    places = [kill.iteration for kill in kills]
    assert places == sorted(places)
    assert max(places) < 1950


def test_a_training_is_watched_from_outside(tmp_path: Path) -> None:
    assert iteration_of(tmp_path) == 0
    write_log(tmp_path, "20260101_000000", train_line(10, loss=1.0))
    log = tmp_path / "20260101_000000" / "vis_data" / "scalars.json"
    with log.open("a") as file:
        file.write('{"loss": 1.0, "st')  # cut off by a kill
    assert iteration_of(tmp_path) == 10
    assert names_in(tmp_path / "none") == set()
    mine, workers = resident(os.getpid())
    assert mine > 10_000
    assert workers >= 0


def test_a_kill_of_a_validation_waits_for_its_checkpoint(tmp_path: Path) -> None:
    """And is given up if the training ends before."""
    times = Undisturbed(10.0, 1.0, 0.01, [(100, 1, 1)])
    lives = iter([None] * 40)
    last = [0]

    def poll() -> int | None:
        last[0] += 1
        if last[0] == 4:
            write_log(tmp_path, "20260101_000000", train_line(90, loss=1.0))
        if last[0] == 12:
            (tmp_path / "iter_50.pth").touch()  # isn't evaluated
        if last[0] == 20:
            (tmp_path / "iter_100.pth").touch()
        return next(lives, 0)

    process: Any = SimpleNamespace(poll=poll)
    kill = Kill("validation", 95, 0.0, True)
    assert _wait_for(kill, process, tmp_path, times, lambda _: None)
    assert last[0] >= 20
    assert not _wait_for(kill, process, tmp_path, times, lambda _: None)
    alive: Any = SimpleNamespace(poll=lambda: None)
    assert _wait_for(
        Kill("start", 0, 0.01, True), alive, tmp_path, times, lambda _: None
    )
