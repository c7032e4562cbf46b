"""How well scores rank checkpoints: the sums, the table, and what the page says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toys import batch, build
from torch import Tensor

from benchmarks.torcs2camvid.checkpoint_choice import (
    SHIPPED,
    OneView,
    append,
    evaluate,
    read,
    runs_table,
    soft_neighborhood_density,
    table,
)

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "choosing_a_checkpoint.md"
FIGURES = ROOT / "results" / "checkpoint_choice" / "torcs2camvid.csv"


def naive_one_view(p: list[list[float]]) -> dict[str, float]:
    """Scores of the probabilities of one view, pixel by pixel, class by class."""
    classes = range(len(p[0]))
    predicted = [max(classes, key=row.__getitem__) for row in p]
    iou = []
    for c in classes:
        hit = sum(row[c] for row, y in zip(p, predicted, strict=True) if y == c)
        union = sum(1.0 if y == c else p[n][c] for n, y in enumerate(predicted))
        iou.append(hit / union)
    singular = torch.linalg.svdvals(torch.tensor(p, dtype=torch.float64))
    return {
        "negative entropy": sum(x * math.log(x) for row in p for x in row) / len(p),
        "confidence": sum(map(max, p)) / len(p),
        "expected mIoU": sum(iou) / len(iou),
        "nuclear norm": float(singular.sum()) / math.sqrt(len(p) * len(p[0])),
    }


def naive_density(p: list[list[float]]) -> float:
    total = 0.0
    for i, one in enumerate(p):
        similarities = [
            math.fsum(a * b for a, b in zip(one, other, strict=True))
            / math.hypot(*one)
            / math.hypot(*other)
            for j, other in enumerate(p)
            if j != i
        ]
        weights = [math.exp(s / 0.05) for s in similarities]
        shares = [w / sum(weights) for w in weights]
        total -= sum(s * math.log(s) for s in shares)
    return total / len(p)


def logits_of(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(4, size, size, generator=generator, dtype=torch.float64)


def test_scores_of_one_view_equal_naive_loops() -> None:
    sums = OneView(classes=4)
    sums.add(logits_of(6))
    p = logits_of(6).softmax(dim=0).flatten(1).T
    got = sums.scores()
    assert soft_neighborhood_density(p) == pytest.approx(naive_density(p.tolist()))
    assert got.pop("neighborhood density") == pytest.approx(
        naive_density(p.tolist()), abs=1e-4
    )
    assert got == pytest.approx(naive_one_view(p.tolist()), abs=1e-10)


def test_a_model_is_evaluated() -> None:
    plain = batch(size=3)["source"]
    pairs = zip(plain["inputs"], plain["data_samples"], strict=True)
    samples = [dict(inputs=image, data_samples=data) for image, data in pairs]
    row = evaluate(build().eval(), samples, tuple("abcd"))
    assert len(row) == 2 + 5 + 9
    assert all(math.isfinite(value) for value in row.values())


def some_rows() -> list[dict[str, Any]]:
    """A score that ranks two runs rightly, and its opposite."""
    rows = []
    for run, values in (("a", [10.0, 30.0, 20.0]), ("b", [50.0, 40.0, 45.0])):
        for step, value in enumerate(values, start=1):
            scores = dict(good=value / 7, bad=-value)
            rows.append(dict(run=run, step=step, mIoU=value, **scores))
    return rows


def test_figures_survive_the_file(tmp_path: Path) -> None:
    for row in some_rows():
        append(tmp_path / "scores.csv", row)
    for got, expected in zip(read(tmp_path / "scores.csv"), some_rows(), strict=True):
        assert got.pop("run") == expected.pop("run")
        assert got == pytest.approx(expected, rel=1e-5)


def test_the_table_says_what_each_score_chooses() -> None:
    lines = table(some_rows()).splitlines()[2:]
    assert lines == [
        "| good | 1.00 | 1.00 | 40.00 | 1.00 | 50.00 |",
        "| the last | 0.00 | -0.50 | 32.50 | 0.00 | 20.00 |",
        "| bad | -1.00 | -1.00 | 25.00 | -1.00 | 10.00 |",
        "| mIoU itself | 1 | 1 | 40.00 | 1 | 50.00 |",
    ]


def test_a_line_per_run_compares_choice_last_and_best() -> None:
    lines = runs_table(some_rows()[1:], "bad").splitlines()[2:]
    assert lines == [
        "| a | 2 | -1.00 | 20.0 | 20.0 | 30.0 |",
        "| b | 3 | -1.00 | 40.0 | 45.0 | 50.0 |",
    ]


def test_the_page_holds_the_tables_of_the_figures() -> None:
    rows, page = read(FIGURES), PAGE.read_text()
    assert table(rows) in page
    assert runs_table(rows, SHIPPED) in page
