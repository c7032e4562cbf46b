"""Similarities and matches against loops over pairs."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from mmseg_cosda.models import diagnosis
from mmseg_cosda.models.diagnosis import (
    MatchCounts,
    count_matches,
    match_figures,
    similarity_between,
    similarity_within,
    unit_sums,
)

C, K = 4, 5
IGNORE = 255


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a.double() @ b.double() / (a.double().norm() * b.double().norm()))


@pytest.fixture
def features() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, K, generator=generator, dtype=torch.float64) + 0.5


LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, IGNORE, -1, C, 1])


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_similarities_equal_loops_over_pairs(features: Tensor) -> None:
    sums = unit_sums(features, LABELS, C)
    within, between = similarity_within(sums), similarity_between(sums)
    members = [features[c == LABELS] for c in range(C)]
    for c in (0, 1):
        same = [cosine(*p) for p in itertools.permutations(members[c], 2)]
        assert float(within[c]) == pytest.approx(mean(same))
    for c, d in itertools.permutations((0, 1, 2), 2):
        other = [cosine(*p) for p in itertools.product(members[c], members[d])]
        assert float(between[c, d]) == pytest.approx(mean(other))
    assert math.isnan(within[2])  # one feature
    assert math.isnan(within[3])
    assert between[3].isnan().all()


def test_sums_of_parts_are_sums_of_the_whole(features: Tensor) -> None:
    whole = unit_sums(features, LABELS, C)
    parts = unit_sums(features[:5], LABELS[:5], C) + unit_sums(
        features[5:], LABELS[5:], C
    )
    torch.testing.assert_close(parts.sums, whole.sums)
    assert parts.sizes.equal(whole.sizes)


def test_a_collapse_shows_as_ones() -> None:
    same = torch.ones(6, K) * torch.arange(1, 7)[:, None]
    sums = unit_sums(same, torch.tensor([0, 0, 0, 1, 1, 1]), 2)
    torch.testing.assert_close(similarity_within(sums), torch.ones(2).double())
    torch.testing.assert_close(similarity_between(sums), torch.ones(2, 2).double())


@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5])
def test_matches_equal_loops(
    features: Tensor, threshold: float, top_k: int | None
) -> None:
    generator = torch.Generator().manual_seed(1)
    queue = torch.nn.functional.normalize(
        torch.randn(C, 6, K, generator=generator), dim=2
    )
    counts = torch.tensor([6, 3, 0, 1])
    queue[1, 3:] = torch.nan  # not valid: must not be read
    truth = LABELS[torch.randperm(12, generator=generator)]
    found = count_matches(features, LABELS, truth, queue, counts, threshold, top_k)

    expected = torch.zeros(8, C, dtype=torch.float64)
    for t, label, true in zip(features, LABELS.tolist(), truth.tolist(), strict=True):
        if not 0 <= label < C:
            continue
        similar = [cosine(t, d) for d in queue[label, : counts[label]]]
        chosen = sum(m > threshold for m in similar)
        chosen = chosen if top_k is None else min(chosen, top_k)
        known, right = 0 <= true < C, true == label
        expected[:, label] += torch.tensor(
            [
                len(similar),
                chosen,
                chosen * known,
                chosen * right,
                sum(similar),
                known,
                right,
                known and chosen > 0,
            ],
            dtype=torch.float64,
        )
    torch.testing.assert_close(torch.stack(list(found)), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("top_k", [None, 2, 24])
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_matches_with_all_classes_equal_loops(
    features: Tensor,
    threshold: float,
    top_k: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "_CHUNK_ROWS", 5)
    generator = torch.Generator().manual_seed(1)
    queue = torch.nn.functional.normalize(
        torch.randn(C, 6, K, generator=generator), dim=2
    )
    counts = torch.tensor([6, 3, 0, 1])
    for c in range(C):
        queue[c, counts[c] :] = 0
    truth = LABELS[torch.randperm(12, generator=generator)]
    found = count_matches(
        features, LABELS, truth, queue, counts, threshold, top_k, split=False
    )

    expected = torch.zeros(8, C, dtype=torch.float64)
    expected[6] = torch.nan
    for t, label, true in zip(features, LABELS.tolist(), truth.tolist(), strict=True):
        if not 0 <= label < C:
            continue
        pairs = [(c, q) for c in range(C) for q in range(int(counts[c]))]
        similar = {pair: cosine(t, queue[pair]) for pair in pairs}
        above = [pair for pair in pairs if similar[pair] > threshold]
        above.sort(key=lambda pair: -similar[pair])
        known = 0 <= true < C
        for c in range(C):
            chosen = sum(pair[0] == c for pair in above[:top_k])
            mean_of = [m for pair, m in similar.items() if pair[0] == c]
            terms = [len(mean_of), chosen, chosen * known, chosen * (true == c)]
            terms += [sum(mean_of), known, 0, known and chosen > 0]
            expected[:, c] += torch.tensor(terms, dtype=torch.float64)
    got = torch.stack(list(found))
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-5, equal_nan=True)
    assert match_figures(found)["split"].isnan().all()


def test_figures_are_shares_by_class_and_of_all() -> None:
    columns = [[4, 0], [2, 0], [2, 0], [1, 0], [1.0, 0.0], [2, 2], [1, 2], [1, 0]]
    counts = MatchCounts(*torch.tensor(columns, dtype=torch.float64))
    figures = {key: values.tolist() for key, values in match_figures(counts).items()}
    assert figures["selected"][0] == figures["selected"][2] == 0.5
    assert math.isnan(figures["selected"][1])
    assert figures["purity"][2] == 0.5
    assert figures["split"] == [0.5, 1.0, 0.75]
    assert figures["pulled"] == [0.5, 0.0, 0.25]
    assert figures["similarity"][2] == 0.25
