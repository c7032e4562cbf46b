from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader, Dataset

from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.orders import EpochPermutation
from mmseg_cosda.datasets.transforms import FourierTransfer
from mmseg_cosda.errors import UserError
from mmseg_cosda.randomness import derive_seed, derived_randomness


class Numbers(Dataset):  # type: ignore[type-arg]
    """Samples that hold their index and what the global generators give."""

    def __init__(self, size: int, classes: tuple[str, ...] = ("a", "b")) -> None:
        self.size, self.metainfo = size, {"classes": classes, "size": size}

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        draws = (random.random(), np.random.rand(), torch.rand(()).item())
        return {"index": index, "draws": draws}


def pairs(seed: int | None = 0, **options: Any) -> DomainPairDataset:
    return DomainPairDataset(Numbers(5), Numbers(3), seed=seed, **options)  # type: ignore[arg-type]


def test_each_epoch_of_a_domain_is_a_permutation() -> None:
    dataset = pairs()
    for domain, size in {"source": 5, "target": 3}.items():
        order = [dataset[i][domain]["index"] for i in range(4 * size)]
        epochs = [order[i : i + size] for i in range(0, 4 * size, size)]
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_sample_is_a_function_of_seed_and_position() -> None:
    forward = [pairs()[i] for i in range(12)]
    dataset = pairs()
    np.random.rand(7)
    torch.rand(3)
    backward = [dataset[i] for i in reversed(range(12))][::-1]
    assert forward == backward
    assert forward != [pairs(seed=1)[i] for i in range(12)]


def test_the_transforms_draw_from_seed_domain_and_position() -> None:
    seed = 2**40  # of two words, as the run's is
    for index, domain in enumerate(("source", "target")):
        with derived_randomness(derive_seed(seed, index, 7)):
            draws = Numbers(1)[0]["draws"]
        assert pairs(seed)[7][domain]["draws"] == draws


def test_domains_draw_apart_and_positions_draw_apart() -> None:
    samples = [pairs()[i] for i in range(12)]
    draws = {s[d]["draws"] for s in samples for d in ("source", "target")}
    assert len(draws) == 24


def test_the_global_generators_are_left_alone() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = (random.random(), np.random.rand(), torch.rand(()).item())
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    pairs()[3]
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def test_the_seed_is_the_runs_by_default() -> None:
    torch.manual_seed(5)
    assert [pairs(None)[i] for i in range(6)] == [pairs(5)[i] for i in range(6)]


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_equals_reading(workers: int) -> None:
    def loader(skip: int) -> Any:
        dataset = pairs()
        sampler = InfiniteSampler(dataset, shuffle=False, seed=0)
        sampler.indices = itertools.islice(sampler.indices, skip, None)
        load = DataLoader(
            dataset, 1, sampler=sampler, num_workers=workers, collate_fn=lambda x: x[0]
        )
        return iter(load)

    whole = list(itertools.islice(loader(0), 9))
    assert list(itertools.islice(loader(4), 5)) == whole[4:]


def test_the_metainfo_is_the_targets_and_the_length_virtual() -> None:
    dataset = pairs(length=70)
    assert dataset.metainfo["size"] == 3
    assert len(dataset) == 70


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="classes differ"):
        DomainPairDataset(Numbers(2), Numbers(2, ("b", "a")))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"dataset\.target has no images"):
        DomainPairDataset(Numbers(2), Numbers(0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="length=0"):
        pairs(length=0)
    with pytest.raises(ValueError, match="seed=-1"):
        pairs(seed=-1)


def test_a_pair_is_transformed_in_order_and_by_the_position() -> None:
    def draw(pair: dict[str, Any]) -> dict[str, Any]:
        return {**pair, "draw": np.random.rand()}

    def double(pair: dict[str, Any]) -> dict[str, Any]:
        return {**pair, "double": 2 * pair["draw"]}

    def read(position: int, seed: int = 0) -> dict[str, Any]:
        return pairs(seed, pair_transforms=[draw, double])[position]

    dataset = pairs(pair_transforms=[draw, double])
    whole = [dataset[i] for i in range(8)]
    assert [read(i) for i in range(8)] == whole
    draws = [sample["draw"] for sample in whole]
    assert len({*draws, read(0, seed=1)["draw"]}) == 9
    assert [sample["double"] for sample in whole] == [2 * draw for draw in draws]
    for sample, plain in zip(whole, map(pairs().__getitem__, range(8)), strict=True):
        assert {name: sample[name] for name in plain} == plain


def test_pair_transforms_are_built_from_a_config() -> None:
    dataset = pairs(pair_transforms=[dict(type="mmseg.FourierTransfer", beta=0.1)])
    (transfer,) = dataset.pair_transforms.transforms
    assert isinstance(transfer, FourierTransfer)


def test_permutations_of_different_seeds_differ() -> None:
    orders = [[EpochPermutation(50, s)[i] for i in range(50)] for s in (0, 1)]
    assert orders[0] != orders[1]


def test_a_source_without_labels_is_told() -> None:
    class Packed(Numbers):
        def __init__(self, **labels: Any) -> None:
            super().__init__(2)
            self.sample = SegDataSample(metainfo=dict(img_path="a.png"), **labels)

        def __getitem__(self, index: int) -> Any:
            return dict(inputs=0, data_samples=self.sample)

    labelled = Packed(gt_sem_seg=PixelData(data=torch.zeros(1, 2, 2)))
    assert DomainPairDataset(labelled, Packed(), seed=0)[0]["source"]  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"a\.png has no label file.*seg_map_path"):
        DomainPairDataset(Packed(), labelled, seed=0)[0]  # type: ignore[arg-type]
