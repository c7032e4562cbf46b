"""The measuring itself, on computations whose cost is known."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks.speed.loss import Problem, make_problem, naive_loss, our_loss
from benchmarks.speed.measure import Times, interleave, peak_extra_mib
from benchmarks.speed.queue import ConcatenatedQueue
from benchmarks.speed.report import Row, Settings, format_table, write_json
from mmseg_cosda.models.memory import ClassFeatureQueue


def test_peak_counts_what_lives_at_once() -> None:
    def work() -> None:
        for _ in range(3):
            one = torch.zeros(2**20)  # 4 MiB
            two = one + 1
            del one
            two.add_(1)
            del two

    assert peak_extra_mib(work, "cpu") == pytest.approx(8, abs=0.1)


def test_interleave_runs_each_variant_in_turn() -> None:
    order: list[str] = []

    def spin(name: str, seconds: float) -> None:
        order.append(name)
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    works = {
        "slow": lambda: spin("slow", 0.02),
        "fast": lambda: spin("fast", 0.005),
    }
    times = interleave(works, 3, "cpu")
    assert order == ["slow", "fast"] * 4
    assert len(times.seconds["slow"]) == 3
    assert 2 < times.ratio("slow", "fast") < 8


def test_ratio_is_the_median_of_each_rounds_own() -> None:
    # Round 2 was disturbed as a whole; its ratio is not.
    times = Times({"ours": [1.0, 10.0, 1.1], "naive": [2.0, 20.0, 2.0]})
    assert times.ratio("ours", "naive") == 0.5


def test_verdicts() -> None:
    assert Row("a", "b", 0.5, bound=0.5).verdict == "holds"
    assert Row("a", "b", 0.51, bound=0.5).verdict == "MISSED"
    assert Row("a", "b", None, bound=0.5).verdict == "not run"
    assert Row("a", "b", 0.5).verdict == ""
    table = format_table([Row("a", "b", 0.51, bound=0.5)])
    assert "| a | b | 0.51 x | 0.5 x | MISSED |  |" in table
    assert "MISSED" not in format_table([Row("a", "b", 0.51, bound=0.5)], judge=False)


def test_json_names_the_machine_and_the_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "out" / "rows.json"
    write_json(path, [Row("a", "b", 0.5, bound=0.6)], Settings(rounds=2))
    report = json.loads(path.read_text())
    assert report["machine"]["settings"]["rounds"] == 2
    assert report["machine"]["torch"] == torch.__version__
    assert report["rows"][0]["verdict"] == "holds"


@pytest.fixture
def problem() -> Problem:
    return make_problem(200, 4, 30, 16, "cpu", torch.float64)


def test_the_naive_loss_that_time_is_held_against_is_right(problem: Problem) -> None:
    features = problem.features.t()
    expected, ours = naive_loss(features, problem), our_loss(features, problem)
    assert float(expected) > 0
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=0)


def test_the_naive_queue_that_time_is_held_against_is_right(problem: Problem) -> None:
    naive = ConcatenatedQueue(4, 30, problem.features)
    ours = ClassFeatureQueue(4, 30, 16, torch.float64)
    for _ in range(2):
        naive.enqueue(problem.features, problem.labels)
        ours.enqueue(problem.features.t(), problem.labels)
    queue, counts = ours.as_tensors()
    for c, block in enumerate(naive.blocks):
        assert block.shape[1] == counts[c]
        mine = queue[c, : counts[c]]
        torch.testing.assert_close(mine.sum(0), block.sum(1))
