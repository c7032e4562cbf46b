"""How costs grow: what is measured at which size, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch.nn import functional as F

from benchmarks.speed import growth
from benchmarks.speed.growth_plot import draw_growth
from benchmarks.speed.loss import Problem, make_problem, our_loss, step
from benchmarks.speed.report import Row, Settings
from benchmarks.speed.shares import with_share

TINY = {"pixels": 64, "classes": 2, "queue size": 8, "channels": 16}


def test_one_size_grows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "QUICK", TINY)
    monkeypatch.setattr(growth, "PROCESSES", ())
    seen: list[tuple[int, ...]] = []

    def record(at: str, problem: Problem, settings: Settings) -> list[Row]:
        K, N = problem.features.shape
        C, Q, _ = problem.queue.shape
        seen.append((N, C, Q, K))
        return [Row("growth", f"{growth.LOSS}, {at}", 1.0, "s")]

    monkeypatch.setattr(growth, "_rows_at", record)
    rows = growth.growth_rows(Settings(quick=True))
    assert [row.what.split(", ")[-1] for row in rows][:5] == [
        "pixels=32",
        "pixels=64",
        "pixels=128",
        "pixels=256",
        "classes=1",
    ]
    base = tuple(TINY.values())
    changed = [[a != b for a, b in zip(s, base, strict=True)] for s in seen]
    assert all(sum(change) <= 1 for change in changed)
    assert len(set(seen)) == 13  # four sizes at three other values, and the base


def test_costs_and_floors_are_measured() -> None:
    problem = growth._problem(TINY, Settings())
    rows = growth._rows_at("pixels=64", problem, Settings(rounds=1))
    whats = [growth.LOSS, growth.PRODUCTS, growth.PUSH, growth.COPY]
    assert [row.what for row in rows] == [f"{what}, pixels=64" for what in whats]
    assert all(row.value is not None and row.value > 0 for row in rows)


def test_a_process_leaves_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(run: Callable[..., None], args: tuple[Any, ...], nprocs: int) -> None:
        assert nprocs == args[0] == 1
        run(0, *args)

    threads = torch.get_num_threads()
    monkeypatch.setattr(growth, "spawn", alone)
    push, copy = growth._push_of_processes(1, TINY, Settings(rounds=1))
    torch.set_num_threads(threads)
    assert push > copy > 0
    assert not dist.is_initialized()


def test_the_plot_shows_each_time_in_its_panel() -> None:
    times = {growth.LOSS: 0.004, growth.PRODUCTS: 0.002, growth.PUSH: 0.001}
    rows = [
        Row("growth", f"{what}, {key}={size}", size * seconds, "s")
        for what, seconds in times.items()
        for key in ("queue size", "channels")
        for size in (1, 2, 4)
    ]
    rows += [Row("growth", f"{growth.PUSH}, processes=2", 0.5, "s")]
    rows += [Row("loss", "time, pixels=3", 9.0), Row("growth", "x, pixels=1", None)]
    figure = draw_growth(rows)
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "queue size",
        "channels",
        "processes",
    ]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    assert list(lines) == list(times)
    assert np.asarray(lines[growth.LOSS].get_xdata()).tolist() == [1, 2, 4]
    milliseconds = np.asarray(lines[growth.LOSS].get_ydata())
    assert milliseconds.tolist() == pytest.approx([4, 8, 16])
    assert {ax.get_xscale() for ax in figure.axes} == {"log"}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(times)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_the_share_is_what_is_selected(share: float) -> None:
    problem = with_share(make_problem(600, 3, 100, 32, "cpu"), share)
    chosen, pairs = 0, 0
    for c, block in enumerate(problem.queue):
        t = F.normalize(problem.features.t()[problem.labels == c], dim=1)
        M = t @ block.t()
        chosen, pairs = chosen + int((problem.threshold < M).sum()), pairs + M.numel()
    assert chosen / pairs == pytest.approx(share, abs=0.02 if share < 0.1 else 0.05)
    loss, gradient = step(our_loss, problem)()
    assert loss > 0
    assert gradient.abs().sum() > 0
