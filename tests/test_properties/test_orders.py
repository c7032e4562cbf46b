"""Orders of any size and seed: whole epochs, exact resumes, ranks that share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import InfiniteSampler
from torch.utils.data import Dataset

from mmseg_cosda.datasets.class_counts import ClassCounts
from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.orders import (
    EpochPermutation,
    Order,
    RareClassOrder,
    class_probabilities,
)

SEEDS = st.integers(0, 2**63 - 1)
SIZES = st.integers(1, 12)
POSITIONS = st.lists(st.integers(0, 60), min_size=1, max_size=12)
PIXELS = st.lists(
    st.lists(st.integers(0, 3) | st.integers(0, 10_000), min_size=3, max_size=3),
    min_size=1,
    max_size=8,
).filter(lambda rows: any(map(any, rows)))


class Listed(Dataset[Any]):
    """Images that are numbers, each with a random one, as a random transform draws."""

    metainfo = {"classes": ("a", "b")}

    def __init__(self, size: int) -> None:
        self.size = size

    def full_init(self) -> None:
        pass

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = [float(np.random.rand()), float(torch.rand(()))]
        label = np.random.randint(0, 2, (4, 4))
        return {"inputs": (index, *drawn), "gt_seg_map": label}


def pairs(sizes: tuple[int, int], seed: int, rare: bool) -> DomainPairDataset:
    made = DomainPairDataset(Listed(sizes[0]), Listed(sizes[1]), seed=seed)
    if rare:
        rng = np.random.default_rng(seed)
        rows = [[int(n) for n in row] for row in rng.integers(1, 900, (sizes[0], 2))]
        made._order["source"] = rare_order(rows, seed, tries=2)
    return made


def rare_order(rows: list[list[int]], seed: int, **options: Any) -> RareClassOrder:
    counts = np.array(rows, np.int64)
    classes = tuple("abc"[: counts.shape[1]])
    names = tuple(map(str, range(len(rows))))
    order = RareClassOrder(None, seed, **options)
    order.use(ClassCounts("", classes, names, np.full(len(rows), 30_000), counts))
    return order


def read(dataset: DomainPairDataset, position: int) -> list[Any]:
    return [dataset[position][name]["inputs"] for name in ("source", "target")]


@examples(40)
@given(SIZES, SEEDS, st.integers(0, 2**40))
def test_each_epoch_holds_every_image_once(size: int, seed: int, epoch: int) -> None:
    order = EpochPermutation(size, seed)
    start = epoch * size
    assert sorted(order[start + i] for i in range(size)) == [*range(size)]


@examples(40)
@given(SIZES, SEEDS, POSITIONS)
def test_a_permutation_forgets_how_it_came_to_a_position(
    size: int, seed: int, positions: list[int]
) -> None:
    straight = [EpochPermutation(size, seed)[i] for i in range(max(positions) + 1)]
    jumping = EpochPermutation(size, seed)
    assert [jumping[i] for i in positions] == [straight[i] for i in positions]


@examples(15)
@given(st.tuples(SIZES, SIZES), SEEDS, st.booleans(), st.integers(0, 40))
def test_gone_on_with_anywhere_it_equals_one_never_stopped(
    sizes: tuple[int, int], seed: int, rare: bool, stop: int
) -> None:
    """With what transforms draw, and crops that an order has refused."""
    never = pairs(sizes, seed, rare)
    expected = [read(never, i) for i in range(stop + 5)]
    torch.rand(7)
    np.random.rand(3)
    again = pairs(sizes, seed, rare)
    assert [read(again, i) for i in range(stop, stop + 5)] == expected[stop:]
    assert [read(again, i) for i in range(stop)] == expected[:stop]


def positions_of(rank: int, world: int) -> Iterator[int]:
    """Of the host's sampler, which hands out positions, in a process of several."""
    where = "mmengine.dataset.sampler.get_dist_info"
    with mock.patch(where, return_value=(rank, world)):
        sampler = InfiniteSampler(Listed(1000), shuffle=False, seed=0)
    return iter(sampler)


@examples(20)
@given(st.integers(1, 5), st.integers(1, 12), SIZES, SEEDS)
def test_processes_share_the_stream_of_one(
    world: int, each: int, size: int, seed: int
) -> None:
    order = EpochPermutation(size, seed)
    shares = [[*itertools.islice(positions_of(r, world), each)] for r in range(world)]
    together = list(itertools.chain(*zip(*shares, strict=True)))
    assert together == [*range(each * world)]
    alone = [order[i] for i in range(each * world)]
    fresh: list[Order] = [EpochPermutation(size, seed) for _ in range(world)]
    parts = [[o[i] for i in s] for o, s in zip(fresh, shares, strict=True)]
    assert [*itertools.chain(*zip(*parts, strict=True))] == alone


@examples(30)
@given(PIXELS, SEEDS, st.floats(0, 0.9), POSITIONS)
def test_a_rare_class_is_drawn_from_images_that_hold_it(
    rows: list[list[int]], seed: int, share: float, positions: list[int]
) -> None:
    order = rare_order(rows, seed, min_share=share, temperature=0.5)
    pixels = np.array(rows)
    assert np.isclose(order.probabilities.sum(), 1)
    assert ((order.probabilities > 0) == (pixels.sum(axis=0) > 0)).all()
    fresh = rare_order(rows, seed, min_share=share, temperature=0.5)
    for position in positions:
        drawn, image = order.class_at(position), order[position]
        column = pixels[:, drawn]
        assert column[image] > 0
        enough = column / 30_000 > share
        assert enough[image] or not enough.any()
        assert fresh[position] == image


@examples(30)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any),
    st.floats(1e-3, 10),
)
def test_the_rarer_a_class_the_more_probable(
    pixels: list[int], temperature: float
) -> None:
    found = class_probabilities(pixels, temperature)
    assert np.isclose(found.sum(), 1)
    occurring = sorted((n, p) for n, p in zip(pixels, found, strict=True) if n)
    assert all(p == 0 for n, p in zip(pixels, found, strict=True) if n == 0)
    values = [p for _, p in occurring]
    assert all(a >= b for a, b in itertools.pairwise(values))
