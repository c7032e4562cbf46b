"""Eq. 9 pixel by pixel, by hand and against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import mmseg_cosda.matches.similarity as similarity
from mmseg_cosda.matches.figures import match_shares, shares_table, sum_all, sum_matches
from mmseg_cosda.matches.similarity import match_pixels, rank_sources
from mmseg_cosda.models.diagnosis import count_matches, match_figures

# C = 2, Q = 3, K = 2: class 0 has two features, class 1 one; the rest is invalid.
QUEUE = torch.tensor(
    [[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]]
)
COUNTS = torch.tensor([2, 1])
PIXELS = torch.tensor([[0.0, 5.0], [2.0, 0.0], [3.0, 4.0], [-1.0, 0.0], [1.0, 1.0]])
LABELS = torch.tensor([0, 0, 1, 1, 255])
TRUTH = torch.tensor([0, 1, 1, -1, 0])


def test_by_hand() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5)
    assert found.pairs.tolist() == [2, 2, 1, 1, 0]
    # (0, 1): 0 and 0.8; (1, 0): 1 and 0.6; (0.6, 0.8): 0.8; (-1, 0): 0
    assert found.selected.tolist() == [1, 2, 1, 0, 0]
    assert found.place.tolist() == [1, 0, 3, 3, -1]
    expected = torch.tensor([0.8, 1.0, 0.8, 0.0, math.nan])
    torch.testing.assert_close(found.best, expected, equal_nan=True)
    torch.testing.assert_close(
        found.total, torch.tensor([0.8, 1.6, 0.8, 0, 0]).double(), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(
        found.share, torch.tensor([0.5, 1, 1, 0, math.nan]), equal_nan=True
    )


def test_top_k_counts_no_more_than_k_pairs() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5, top_k=1)
    assert found.selected.tolist() == [1, 1, 1, 0, 0]


def test_a_pair_at_the_threshold_is_not_selected() -> None:
    found = match_pixels(PIXELS[1:2], LABELS[1:2], QUEUE, COUNTS, 1.0)
    assert found.best.tolist() == [1.0]
    assert found.selected.tolist() == [0]


def test_shares_by_hand() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5)
    first, second, overall = match_shares(sum_matches(found, LABELS, TRUTH, 2))
    # Class 0: 3 of 4 pairs; the first pixel's one is right, the second's two are not.
    assert first["selected"] == 0.75
    assert first["purity"] == pytest.approx(1 / 3)
    assert first["split"] == 0.5
    assert first["pulled"] == 1
    assert first["similarity"] == pytest.approx(0.6)
    # Class 1: 1 of 2 pairs; the other pixel has no ground truth.
    assert second["selected"] == 0.5
    assert second["purity"] == 1
    assert second["pulled"] == 0.5
    assert overall["pixels"] == 4
    assert overall["pairs"] == 6
    assert overall["selected"] == pytest.approx(4 / 6)
    assert overall["pulled"] == 0.75
    assert overall["purity"] == pytest.approx(2 / 4)


def test_without_ground_truth_there_is_no_purity() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5)
    rows = match_shares(sum_matches(found, LABELS, None, 2))
    assert all(row["purity"] is None and row["split"] is None for row in rows)
    table = shares_table(rows, ["road", "sky"], [2, 1])
    assert "purity" not in table
    assert "66.7" in table


def test_a_class_without_features_pulls_nothing() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, torch.tensor([2, 0]), -1.0)
    rows = match_shares(sum_matches(found, LABELS, TRUTH, 2))
    assert rows[1]["pulled"] == 0
    assert rows[1]["selected"] is None
    assert "–" in shares_table(rows, ["road", "sky"], [2, 0])


def random_case() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    queue = torch.nn.functional.normalize(
        torch.randn(3, 6, 5, generator=generator), dim=-1
    )
    rows = torch.randn(40, 5, generator=generator)
    labels = torch.randint(-1, 4, (40,), generator=generator)
    truth = torch.randint(-1, 3, (40,), generator=generator)
    return rows, labels, truth, queue, torch.tensor([6, 0, 4])


@pytest.mark.parametrize("chunk", [1, 13, 2**22])
def test_chunks_equal_loops(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(similarity, "_CHUNK_ELEMENTS", chunk)
    rows, labels, _, queue, counts = random_case()
    found = match_pixels(rows, labels, queue, counts, 0.2)
    for i, c in enumerate(labels.tolist()):
        pairs = []
        for q in range(int(counts[c]) if 0 <= c < 3 else 0):
            t, d = rows[i].double(), queue[c, q].double()
            pairs.append(float(t @ d / (t.norm() * d.norm())))
        assert found.pairs[i] == len(pairs)
        assert found.selected[i] == sum(m > 0.2 for m in pairs)
        assert float(found.total[i]) == pytest.approx(sum(pairs), abs=1e-5)
        if pairs:
            assert float(found.best[i]) == pytest.approx(max(pairs), abs=1e-6)
            assert found.place[i] == 6 * c + pairs.index(max(pairs))


@pytest.mark.parametrize("top_k", [None, 2])
def test_shares_are_those_of_the_diagnosis_in_training(top_k: int | None) -> None:
    rows, labels, truth, queue, counts = random_case()
    found = match_pixels(rows, labels, queue, counts, 0.2, top_k)
    halves = [slice(0, 15), slice(15, 40)]
    sums = [
        sum_matches(type(found)(*(x[h] for x in found)), labels[h], truth[h], 3)
        for h in halves
    ]
    shares = match_shares(sum_all(sums))
    watched = match_figures(
        count_matches(rows, labels, truth, queue, counts, 0.2, top_k)
    )
    for key in ("selected", "purity", "split", "similarity"):
        ours = [math.nan if row[key] is None else row[key] for row in shares]
        expected = watched[key].tolist()
        assert ours == pytest.approx(expected, abs=1e-6, nan_ok=True), key


def test_sources_are_ranked() -> None:
    values, rows = rank_sources(torch.tensor([0.0, 2.0]), QUEUE[0])
    assert rows.tolist() == [2, 1, 0]
    torch.testing.assert_close(values, torch.tensor([1.0, 0.8, 0.0]))
