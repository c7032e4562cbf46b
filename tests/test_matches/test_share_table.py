"""Shares of matches as rows for JSON and as a table for people."""

from __future__ import annotations

import torch

from mmseg_cosda.matches.share_table import share_rows, share_table
from mmseg_cosda.models.matching import MatchSums, count_matches

QUEUE = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.0, 0.0]]])
PIXELS = torch.tensor([[0.0, 5.0], [2.0, 0.0], [3.0, 4.0], [-1.0, 0.0], [1.0, 1.0]])
LABELS = torch.tensor([0, 0, 1, 1, 255])


def sums(truth: list[int] | None, counts: tuple[int, int] = (2, 1)) -> MatchSums:
    known = None if truth is None else torch.tensor(truth)
    return count_matches(PIXELS, LABELS, known, QUEUE, torch.tensor(counts), 0.5)


def test_rows_hold_counts_and_shares_of_each_class_and_overall() -> None:
    first, second, overall = share_rows(sums([0, 1, 1, -1, 0]))
    assert first == {
        "pixels": 2,
        "pairs": 4,
        "selected": 0.75,
        "match_precision": 1 / 3,
        "assignment_accuracy": 0.5,
        "pulled": 1.0,
        "similarity": first["similarity"],
    }
    assert (second["pixels"], second["pairs"], second["pulled"]) == (2, 2, 0.5)
    assert (overall["pixels"], overall["pairs"], overall["pulled"]) == (4, 6, 0.75)
    assert overall["match_precision"] == 0.5


def test_without_ground_truth_there_is_no_precision() -> None:
    rows = share_rows(sums(None))
    assert all(row["match_precision"] is None for row in rows)
    assert all(row["assignment_accuracy"] is None for row in rows)
    table = share_table(rows, ["road", "sky"], [2, 1])
    assert "precision" not in table
    assert "accuracy" not in table
    assert "66.7" in table


def test_a_class_without_features_has_no_share() -> None:
    rows = share_rows(sums([0, 1, 1, -1, 0], (2, 0)))
    assert rows[1]["pulled"] == 0
    assert rows[1]["selected"] is None
    table = share_table(rows, ["road", "sky"], [2, 0])
    assert "–" in table
    assert "match precision, %" in table
