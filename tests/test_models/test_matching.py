"""Eq. 9 and its shares, by hand and against loops over pixels and pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmseg_cosda.models import matching
from mmseg_cosda.models.matching import (
    MatchSums,
    PixelMatches,
    count_matches,
    match_pixels,
    match_shares,
    rank_sources,
    sum_matches,
)

# C = 2, Q = 3, K = 2: class 0 has two features, class 1 one; the rest is invalid.
QUEUE = torch.tensor(
    [[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]]
)
COUNTS = torch.tensor([2, 1])
PIXELS = torch.tensor([[0.0, 5.0], [2.0, 0.0], [3.0, 4.0], [-1.0, 0.0], [1.0, 1.0]])
LABELS = torch.tensor([0, 0, 1, 1, 255])
TRUTH = torch.tensor([0, 1, 1, -1, 0])


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a.double() @ b.double() / (a.double().norm() * b.double().norm()))


def test_by_hand() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5)
    assert found.pairs.tolist() == [[2], [2], [1], [1], [0]]
    # (0, 1): 0 and 0.8; (1, 0): 1 and 0.6; (0.6, 0.8): 0.8; (-1, 0): 0
    assert found.selected.tolist() == [[1], [2], [1], [0], [0]]
    assert found.pulled.tolist() == [True, True, True, False, False]
    assert found.place.tolist() == [1, 0, 3, 3, -1]
    expected = torch.tensor([0.8, 1.0, 0.8, 0.0, math.nan])
    torch.testing.assert_close(found.best, expected, equal_nan=True)
    torch.testing.assert_close(
        found.similarity[:, 0],
        torch.tensor([0.8, 1.6, 0.8, 0, 0]).double(),
        rtol=0,
        atol=1e-6,
    )
    torch.testing.assert_close(
        found.share, torch.tensor([0.5, 1, 1, 0, math.nan]), equal_nan=True
    )


def test_by_hand_with_all_classes() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5, split=False)
    assert found.pairs.tolist() == [*[[2, 1]] * 4, [0, 0]]
    # Of class 1 there is (0, 1) alone: 1, 0, 0.8, 0.
    assert found.selected.tolist() == [[1, 1], [2, 0], [2, 1], [0, 0], [0, 0]]
    assert found.place.tolist() == [3, 0, 1, 3, -1]
    # One pair of each, wherever it is.
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5, 1, split=False)
    assert found.selected.tolist() == [[0, 1], [1, 0], [1, 0], [0, 0], [0, 0]]


def test_top_k_counts_no_more_than_k_pairs() -> None:
    found = match_pixels(PIXELS, LABELS, QUEUE, COUNTS, 0.5, top_k=1)
    assert found.selected[:, 0].tolist() == [1, 1, 1, 0, 0]


def test_a_pair_at_the_threshold_is_not_selected() -> None:
    found = match_pixels(PIXELS[1:2], LABELS[1:2], QUEUE, COUNTS, 1.0)
    assert found.best.tolist() == [1.0]
    assert found.selected.tolist() == [[0]]


def test_shares_by_hand() -> None:
    sums = count_matches(PIXELS, LABELS, TRUTH, QUEUE, COUNTS, 0.5)
    assert sums.pixels.tolist() == [2, 2]
    assert sums.pairs.tolist() == [4, 2]
    shares = {key: values.tolist() for key, values in match_shares(sums).items()}
    # Class 0: 3 of 4 pairs; the first pixel's one is right, the second's two are not.
    # Class 1: 1 of 2 pairs; the other pixel has no ground truth.
    assert shares["selected"] == pytest.approx([0.75, 0.5, 4 / 6])
    assert shares["match_precision"] == pytest.approx([1 / 3, 1, 2 / 4])
    assert shares["assignment_accuracy"] == pytest.approx([0.5, 1, 2 / 3])
    assert shares["pulled"] == pytest.approx([1, 0.5, 0.75])
    assert shares["similarity"] == pytest.approx([0.6, 0.4, 3.2 / 6])
    labelled = match_shares(sums, labelled=True)
    assert labelled.pop("pulled").tolist() == pytest.approx([1, 1, 1])
    assert {key: values.tolist() for key, values in labelled.items()} == {
        key: values for key, values in shares.items() if key != "pulled"
    }


def test_shares_of_what_was_not_counted_are_nan() -> None:
    rows = {
        "pairs": [4, 0],
        "selected": [2, 0],
        "judged": [2, 0],
        "right": [1, 0],
        "similarity": [1.0, 0.0],
        "pixels": [3, 2],
        "pulled": [2, 0],
        "labelled": [2, 2],
        "labelled_pulled": [1, 0],
        "right_pixels": [1, 2],
    }
    sums = MatchSums(**{k: torch.tensor(v).double() for k, v in rows.items()})
    shares = {k: v.tolist() for k, v in match_shares(sums, labelled=True).items()}
    assert shares["selected"][0] == shares["selected"][2] == 0.5
    assert math.isnan(shares["selected"][1])
    assert shares["match_precision"][2] == 0.5
    assert shares["assignment_accuracy"] == [0.5, 1.0, 0.75]
    assert shares["pulled"] == [0.5, 0.0, 0.25]
    assert shares["similarity"][2] == 0.25
    assert match_shares(sums)["pulled"].tolist() == pytest.approx([2 / 3, 0, 0.4])


def test_without_ground_truth_nothing_is_judged() -> None:
    sums = count_matches(PIXELS, LABELS, None, QUEUE, COUNTS, 0.5)
    shares = match_shares(sums)
    assert shares["match_precision"].isnan().all()
    assert shares["assignment_accuracy"].isnan().all()
    assert shares["selected"][2] == pytest.approx(4 / 6)
    assert shares["pulled"].tolist() == [1, 0.5, 0.75]


def test_a_class_without_features_pulls_nothing() -> None:
    sums = count_matches(PIXELS, LABELS, TRUTH, QUEUE, torch.tensor([2, 0]), -1.0)
    shares = match_shares(sums)
    assert shares["pulled"][1] == 0
    assert shares["selected"][1].isnan()


C, K = 4, 5
IGNORE = 255
CLASSES = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, IGNORE, -1, C, 1])


def random_case() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return features, their ground truth, a queue and its counts."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(12, K, generator=generator, dtype=torch.float64) + 0.5
    generator = torch.Generator().manual_seed(1)
    queue = torch.nn.functional.normalize(
        torch.randn(C, 6, K, generator=generator), dim=2
    )
    counts = torch.tensor([6, 3, 0, 1])
    for c in range(C):
        queue[c, counts[c] :] = torch.nan  # not valid: must not be read
    truth = CLASSES[torch.randperm(12, generator=generator)]
    return features, truth, queue, counts


def loop(threshold: float, top_k: int | None, split: bool) -> MatchSums:
    """Count pixel by pixel and pair by pair."""
    features, truth, queue, counts = random_case()
    expected = {key: torch.zeros(C, dtype=torch.float64) for key in MatchSums._fields}
    if not split:
        expected["right_pixels"][:] = torch.nan
    for t, label, true in zip(features, CLASSES.tolist(), truth.tolist(), strict=True):
        if not 0 <= label < C:
            continue
        classes = [label] if split else range(C)
        pairs = [(c, q) for c in classes for q in range(int(counts[c]))]
        similar = {pair: cosine(t, queue[pair]) for pair in pairs}
        above = [pair for pair in pairs if similar[pair] > threshold]
        above.sort(key=lambda pair: -similar[pair])
        known = 0 <= true < C
        for c in classes:
            chosen = sum(pair[0] == c for pair in above[:top_k])
            own = [m for pair, m in similar.items() if pair[0] == c]
            terms = {
                "pairs": len(own),
                "selected": chosen,
                "judged": chosen * known,
                "right": chosen * (true == c),
                "similarity": sum(own),
                "pixels": 1,
                "pulled": chosen > 0,
                "labelled": known,
                "labelled_pulled": known and chosen > 0,
                "right_pixels": true == c,
            }
            for key, term in terms.items():
                expected[key][c] += term
    return MatchSums(**expected)


@pytest.mark.parametrize("chunk", [1, 13, 2**22])
@pytest.mark.parametrize("top_k", [None, 2, 24])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5])
@pytest.mark.parametrize("split", [True, False])
def test_sums_equal_loops(
    split: bool,
    threshold: float,
    top_k: int | None,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "_CHUNK_ELEMENTS", chunk)
    features, truth, queue, counts = random_case()
    found = count_matches(
        features, CLASSES, truth, queue, counts, threshold, top_k, split
    )
    expected = loop(threshold, top_k, split)
    for key, ours, wanted in zip(MatchSums._fields, found, expected, strict=True):
        torch.testing.assert_close(
            ours, wanted, rtol=1e-6, atol=1e-5, equal_nan=True, msg=key
        )


def test_each_pixel_equals_loops() -> None:
    features, _, queue, counts = random_case()
    found = match_pixels(features, CLASSES, queue, counts, 0.2)
    for i, c in enumerate(CLASSES.tolist()):
        valid = int(counts[c]) if 0 <= c < C else 0
        pairs = [cosine(features[i], queue[c, q]) for q in range(valid)]
        assert found.pairs[i] == len(pairs)
        assert found.selected[i] == sum(m > 0.2 for m in pairs)
        assert float(found.similarity[i]) == pytest.approx(sum(pairs), abs=1e-5)
        if pairs:
            assert float(found.best[i]) == pytest.approx(max(pairs), abs=1e-6)
            assert found.place[i] == 6 * c + pairs.index(max(pairs))


@pytest.mark.parametrize("split", [True, False])
def test_sums_of_parts_add_up(split: bool) -> None:
    features, truth, queue, counts = random_case()
    found = match_pixels(features, CLASSES, queue, counts, 0.2, None, split)
    whole = sum_matches(found, CLASSES, truth, C, split)
    first, second = (
        sum_matches(
            PixelMatches(*(x[h] for x in found)), CLASSES[h], truth[h], C, split
        )
        for h in (slice(0, 5), slice(5, 12))
    )
    for ours, wanted in zip(first + second, whole, strict=True):
        torch.testing.assert_close(ours, wanted, equal_nan=True)


def test_without_a_split_no_pixel_is_assigned() -> None:
    features, truth, queue, counts = random_case()
    sums = count_matches(features, CLASSES, truth, queue, counts, 0.2, split=False)
    assert match_shares(sums)["assignment_accuracy"].isnan().all()


def test_sources_are_ranked() -> None:
    values, rows = rank_sources(torch.tensor([0.0, 2.0]), QUEUE[0])
    assert rows.tolist() == [2, 1, 0]
    torch.testing.assert_close(values, torch.tensor([1.0, 0.8, 0.0]))
