"""The queue against per-class deques, and what it promises about memory."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from helpers import references
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmseg_cosda.models.memory import ClassFeatureQueue

C, Q, K = 3, 5, 4
IGNORE = 255


def batch(generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
    features = torch.randn(size, K, generator=generator, dtype=torch.float64) * 3
    labels = torch.tensor([0, 0, 0, 1, 2, IGNORE, -1, C])
    return features, labels[torch.randint(8, (size,), generator=generator)]


def rows(features: Tensor) -> list[list[float]]:
    """Rows in an order of their own: the block's is free."""
    return sorted([round(x, 6) for x in row] for row in features.double().tolist())


def assert_equal(queue: ClassFeatureQueue, expected: references.Dictionary) -> None:
    features, counts = queue.as_tensors()
    for c, block in enumerate(expected.D):
        assert int(counts[c]) == len(block)
        assert rows(features[c, : len(block)]) == rows(
            torch.stack(list(block)) if block else torch.zeros(0, K)
        )


@pytest.mark.parametrize("path", ["any", "fixed-shape"])
@pytest.mark.parametrize("layout", ["rows", "map"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_deques_over_a_stream_with_overflow(
    seed: int, layout: str, path: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    queue = ClassFeatureQueue(C, Q, K, torch.float64)
    expected = references.Dictionary(C, Q)
    for size in [0, 1, 3, 40, 7, 2, 0, 15, 6, 60, 1, 1, 9]:
        features, labels = batch(generator, size)
        expected.enqueue(features, labels)
        if layout == "map":
            features = features.t().contiguous().t()
        if path == "any":
            queue.enqueue(features, labels)
        else:  # as a GPU does: nothing dropped before the scatter
            queue._write(queue._advance(labels), features)
        assert_equal(queue, expected)


def test_a_class_that_brings_more_than_its_capacity_keeps_the_newest() -> None:
    queue = ClassFeatureQueue(1, 3, 2)
    angles = torch.linspace(0, 1, 10)
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    queue.enqueue(features, torch.zeros(10, dtype=torch.int64))
    assert rows(queue.as_tensors()[0][0]) == rows(features[-3:])


def test_no_two_rows_of_a_push_want_the_same_place() -> None:
    # A GPU's scatter lets any of them win.
    queue = ClassFeatureQueue(C, Q, K)
    for size in (3, 40, 60):
        _, labels = batch(torch.Generator().manual_seed(size), size)
        places = queue._advance(labels)
        kept = places[places < C * Q]
        assert len(kept.unique()) == len(kept)
        assert (places <= C * Q).all()


@pytest.mark.parametrize("limit", [None, 2])
def test_a_push_says_where_its_rows_are(limit: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    queue = ClassFeatureQueue(C, Q, K, torch.float64)
    for size in (3, 40, 0, 7):
        features, labels = batch(generator, size)
        places = queue.enqueue(features, labels, limit, generator)
        assert places.shape == (size,)
        unit = torch.nn.functional.normalize(features, dim=1)
        stored = queue.as_tensors()[0].flatten(0, 1)
        kept = places < C * Q
        torch.testing.assert_close(stored[places[kept]], unit[kept])
        assert (places[kept] // Q).equal(labels[kept])
        for c in range(C):
            of_class = int((labels == c).sum())
            entered = of_class if limit is None else min(limit, of_class)
            assert int((kept & (labels == c)).sum()) == min(Q, entered)
        assert (places[~kept] == C * Q).all()


def test_starts_empty_and_resets() -> None:
    queue = ClassFeatureQueue(C, Q, K)
    assert queue.counts.tolist() == [0, 0, 0]
    generator = torch.Generator().manual_seed(0)
    queue.enqueue(*batch(generator, 30))
    assert queue.counts.sum() > 0
    queue.reset()
    assert queue.counts.tolist() == [0, 0, 0]
    expected = references.Dictionary(C, Q)
    new = batch(generator, 4)
    queue.enqueue(*new)
    expected.enqueue(*new)
    assert_equal(queue, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_unit_norm_and_detached(dtype: torch.dtype) -> None:
    queue = ClassFeatureQueue(C, Q, K, dtype)
    features = (1e4 * torch.randn(9, K)).requires_grad_()
    queue.enqueue(features, torch.arange(9) % C)
    stored, counts = queue.as_tensors()
    assert stored.dtype == dtype
    assert not stored.requires_grad
    assert counts.tolist() == [3, 3, 3]
    norms = stored[:, :3].double().norm(dim=-1)
    torch.testing.assert_close(
        norms, torch.ones_like(norms), rtol=0, atol=2 * torch.finfo(dtype).eps
    )


def test_half_precision_features_are_normalized_in_float32() -> None:
    queue = ClassFeatureQueue(1, 2, K)
    features = torch.full((1, K), 6e4, dtype=torch.float16)  # its square overflows
    queue.enqueue(features, torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(queue.as_tensors()[0][0, 0], torch.full((K,), 0.5))


def test_does_not_pin_the_features() -> None:
    queue = ClassFeatureQueue(1, 2, K)
    features = torch.ones(1, K)
    queue.enqueue(features, torch.zeros(1, dtype=torch.int64))
    features.fill_(float("nan"))
    assert queue.as_tensors()[0].isfinite().all()


@pytest.mark.parametrize("path", ["any", "fixed-shape"])
def test_ignored_rows_never_show(path: str) -> None:
    queue = ClassFeatureQueue(C, Q, K)
    features, labels = torch.full((3, K), float("nan")), torch.tensor([IGNORE, -1, C])
    if path == "any":
        queue.enqueue(features, labels)
    else:
        queue._write(queue._advance(labels), features)
    stored, counts = queue.as_tensors()
    assert counts.tolist() == [0, 0, 0]
    assert torch.equal(stored, torch.zeros(C, Q, K))


def test_saved_and_loaded_it_goes_on_as_if_never_stopped() -> None:
    generator = torch.Generator().manual_seed(0)
    queue = ClassFeatureQueue(C, Q, K)
    for size in (4, 17, 3):
        queue.enqueue(*batch(generator, size))
    file = io.BytesIO()
    torch.save(queue.state_dict(), file)
    file.seek(0)
    again = ClassFeatureQueue(C, Q, K)
    again.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(3):
        features, labels = batch(generator, 6)
        for each in (queue, again):
            each.enqueue(features, labels)
        for a, b in zip(queue.as_tensors(), again.as_tensors(), strict=True):
            assert torch.equal(a, b)


class Allocations(TorchDispatchMode):
    """Adds up the memory that operators ask for, in bytes."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = list(known)  # so that no address is given out twice
        self.seen = {tensor.untyped_storage().data_ptr() for tensor in self.alive}
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in self.seen:
                    self.total += storage.nbytes()
                self.seen.add(storage.data_ptr())
                self.alive.append(tensor)
        return out


@pytest.mark.parametrize("limit", [None, 2])
def test_a_push_allocates_by_its_own_size_alone(limit: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(64, 256, generator=generator), torch.arange(64) % C
    totals = []
    for capacity in (30, 3000):
        queue = ClassFeatureQueue(C, capacity, 256)
        addresses = [buffer.data_ptr() for buffer in queue.buffers()]
        with Allocations([features, labels, *queue.buffers()]) as allocated:
            for _ in range(4):
                queue.enqueue(features, labels, limit, generator)
        assert [buffer.data_ptr() for buffer in queue.buffers()] == addresses
        totals.append(allocated.total)
    assert totals[0] == totals[1]
    # The rows that are kept, and their unit vectors.
    assert totals[0] / 4 < 2.5 * features.nbytes


def test_limit_draws_that_many_of_each_class_in_their_order() -> None:
    queue = ClassFeatureQueue(2, 10, 2)
    angles = torch.linspace(0, 3, 50)
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels = torch.tensor([0] * 48 + [1, IGNORE])
    seen: set[float] = set()
    for seed in range(20):
        queue.reset()
        generator = torch.Generator().manual_seed(seed)
        queue.enqueue(features, labels, limit=4, generator=generator)
        stored, counts = queue.as_tensors()
        assert counts.tolist() == [4, 1]
        chosen = torch.atan2(stored[0, :4, 1], stored[0, :4, 0])
        assert chosen.tolist() == sorted(chosen.tolist())  # first in, first out
        assert len(set(chosen.tolist())) == 4
        seen.update(round(x, 3) for x in chosen.tolist())
        torch.testing.assert_close(stored[1, 0], features[48])
    assert len(seen) > 30  # of 48: every row has its chance


def test_limit_is_a_function_of_the_generator() -> None:
    features, labels = batch(torch.Generator().manual_seed(0), 60)
    stored = []
    for seed in (7, 7, 8):
        queue = ClassFeatureQueue(C, Q, K)
        generator = torch.Generator().manual_seed(seed)
        queue.enqueue(features, labels, limit=2, generator=generator)
        stored.append(queue.as_tensors()[0].clone())
    assert torch.equal(stored[0], stored[1])
    assert not torch.equal(stored[0], stored[2])


def test_limit_above_what_there_is_changes_nothing() -> None:
    features, labels = batch(torch.Generator().manual_seed(0), 30)
    limited, free = ClassFeatureQueue(C, Q, K), ClassFeatureQueue(C, Q, K)
    limited.enqueue(features, labels, limit=30)
    free.enqueue(features, labels)
    assert torch.equal(limited.as_tensors()[0], free.as_tensors()[0])


@pytest.mark.parametrize("limit", [None, 2])
def test_a_push_never_waits_for_the_device(limit: int | None) -> None:
    # Meta tensors have no values: whatever a GPU would have to wait for fails.
    queue = ClassFeatureQueue(C, Q, K).to("meta")
    features, labels = batch(torch.Generator().manual_seed(0), 30)
    queue.enqueue(features.to("meta"), labels.to("meta"), limit)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        labels.to("meta").tolist()


BAD_SIZES = [
    ({"num_classes": 0}, "num_classes=0"),
    ({"capacity": 0}, "capacity=0"),
    ({"channels": -1}, "channels=-1"),
    ({"dtype": torch.int64}, "dtype=torch.int64"),
]


@pytest.mark.parametrize(("option", "message"), BAD_SIZES)
def test_wrong_options_are_named(option: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"num_classes": C, "capacity": Q, "channels": K}
    with pytest.raises(ValueError, match=message):
        ClassFeatureQueue(**{**options, **option})


def test_wrong_rows_are_named() -> None:
    queue = ClassFeatureQueue(C, Q, K)
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"features of shape \(2, 9\).*4"):
        queue.enqueue(torch.zeros(2, 9), labels)
    with pytest.raises(ValueError, match=r"labels of shape \(2,\)"):
        queue.enqueue(torch.zeros(3, K), labels)
    with pytest.raises(ValueError, match=r"labels of torch.float32"):
        queue.enqueue(torch.zeros(2, K), labels.float())
    with pytest.raises(ValueError, match=r"features of torch.int64"):
        queue.enqueue(torch.zeros(2, K, dtype=torch.int64), labels)
    with pytest.raises(ValueError, match="limit=0"):
        queue.enqueue(torch.zeros(2, K), labels, limit=0)


def test_ages_are_counted_in_pushes() -> None:
    queue = ClassFeatureQueue(2, 3, 2)
    assert queue.ages().isnan().all()
    queue.enqueue(torch.ones(2, 2), torch.tensor([0, 0]))
    queue.enqueue(torch.ones(1, 2), torch.tensor([0]))
    assert queue.ages()[0] == pytest.approx(2 / 3)  # 1, 1, 0
    queue.enqueue(torch.ones(2, 2), torch.tensor([0, 1]))  # the oldest leaves
    assert queue.ages().tolist() == [1.0, 0.0]  # 2, 1, 0
    queue.enqueue(torch.ones(0, 2), torch.zeros(0, dtype=torch.int64))
    assert queue.ages().tolist() == [2.0, 1.0]
    queue.reset()
    assert queue.ages().isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_never_enters(bad: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(401, K, generator=generator).to(dtype) * 1000
    labels = torch.randint(C, (401,), generator=generator)
    spoilt = features.clone()
    spoilt[400, 2] = bad
    spoilt[7] = bad
    spoilt[9, :2] = torch.tensor([bad, -bad])
    labels[400] = 1
    without = labels.clone()
    without[torch.tensor([7, 9, 400])] = IGNORE
    queue, expected = ClassFeatureQueue(C, 300, K), ClassFeatureQueue(C, 300, K)
    places = queue.enqueue(spoilt, labels)
    assert places.equal(expected.enqueue(features, without))
    assert places[400] == C * 300
    for got, wanted in zip(queue.buffers(), expected.buffers(), strict=True):
        assert got.equal(wanted)
    assert queue.storage.isfinite().all()


def test_a_limit_counts_what_is_a_number() -> None:
    features = torch.full((6, K), float("nan"))
    features[4:] = 1
    queue = ClassFeatureQueue(1, 5, K)
    queue.enqueue(features, torch.zeros(6, dtype=torch.int64), limit=2)
    assert queue.counts.tolist() == [2]
    assert queue.storage.isfinite().all()
