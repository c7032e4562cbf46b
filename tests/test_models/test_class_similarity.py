"""Similarities within and between classes against loops over pairs."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from mmseg_cosda.models.class_similarity import (
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
