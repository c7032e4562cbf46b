"""The queue through any pushes: a list per class, first in, first out."""

from __future__ import annotations

import io
from typing import NamedTuple

import torch
from helpers.properties import examples
from helpers.references import Dictionary
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmseg_cosda.models.memory import ClassFeatureQueue

BAD = (float("nan"), float("inf"), -float("inf"))


class Push(NamedTuple):
    size: int
    seed: int
    bad: bool  # whether rows are no number
    limit: int | None
    saved: bool  # whether the queue is saved and loaded before


PUSHES = st.builds(
    Push,
    st.integers(0, 30),
    st.integers(0, 2**32),
    st.booleans(),
    st.none() | st.integers(1, 12),
    st.booleans(),
)


def rows_of(push: Push, C: int, K: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(push.seed)
    features = torch.randn(push.size, K, generator=generator, dtype=torch.float64) + 0.1
    features = features.to(dtype)
    named = torch.tensor([*range(C), 0, -1, C, 255])
    labels = named[torch.randint(len(named), (push.size,), generator=generator)]
    if push.bad and push.size:
        hit = torch.rand(features.shape, generator=generator) < 0.1
        kinds = torch.tensor(BAD)[torch.randint(3, features.shape, generator=generator)]
        features = torch.where(hit, kinds.to(dtype), features)
    return features, labels


def again(queue: ClassFeatureQueue) -> ClassFeatureQueue:
    file = io.BytesIO()
    torch.save(queue.state_dict(), file)
    file.seek(0)
    made = ClassFeatureQueue(
        queue.num_classes, queue.capacity, queue.channels, queue.storage.dtype
    )
    made.load_state_dict(torch.load(file, weights_only=True))
    return made


@examples(40)
@given(
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(1, 5),
    st.sampled_from([torch.float64, torch.float32, torch.float16]),
    st.lists(PUSHES, max_size=8),
)
def test_it_equals_a_deque_per_class(
    C: int, Q: int, K: int, dtype: torch.dtype, pushes: list[Push]
) -> None:
    queue, expected = ClassFeatureQueue(C, Q, K, torch.float64), Dictionary(C, Q)
    generator = torch.Generator().manual_seed(0)
    for push in pushes:
        features, labels = rows_of(push, C, K, dtype)
        if push.saved:
            queue = again(queue)
        places = queue.enqueue(features, labels, push.limit, generator)
        finite = features.isfinite().all(dim=1)
        if push.limit is None:
            entered = finite
        else:  # the push says which ones were drawn
            entered = places < C * Q
            for c in range(C):
                there = int((finite & (labels == c)).sum())
                drawn = int((entered & (labels == c)).sum())
                assert drawn == min(there, push.limit, Q)
        assert not (entered & ~finite).any()
        expected.enqueue(features[entered], labels[entered])
        compare(queue, expected)


def compare(queue: ClassFeatureQueue, expected: Dictionary) -> None:
    """Compare contents, in the order in which they came."""
    features, counts = queue.as_tensors()
    Q, K = features.shape[1:]
    assert counts.tolist() == [len(D) for D in expected.D]
    for c, D in enumerate(expected.D):
        if len(D) == Q:  # the next feature takes the oldest one's place
            order = (torch.arange(Q) + queue.heads[c]) % Q
        else:
            order = torch.arange(len(D))
        wanted = torch.stack(list(D)) if D else torch.zeros(0, K)
        got = features[c, order].double()
        torch.testing.assert_close(got, wanted.double(), rtol=0, atol=1e-6)
        assert not features[c, len(D) :].any()


@examples(25)
@given(
    st.integers(1, 4),
    st.integers(1, 8),
    st.lists(PUSHES, min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_saved_at_any_push_it_goes_on_as_if_never_stopped(
    C: int, Q: int, pushes: list[Push], stop: int
) -> None:
    straight, stopped = ClassFeatureQueue(C, Q, 3), ClassFeatureQueue(C, Q, 3)
    for i, push in enumerate(pushes):
        if i == stop:
            stopped = again(stopped)
        features, labels = rows_of(push, C, 3, torch.float32)
        for queue in (straight, stopped):
            generator = torch.Generator().manual_seed(push.seed)
            queue.enqueue(features, labels, push.limit, generator)
    for one, other in zip(straight.buffers(), stopped.buffers(), strict=True):
        assert one.equal(other)
    ages = straight.ages()
    assert ages.isnan().equal(straight.counts == 0)
    assert (ages[~ages.isnan()] <= len(pushes)).all()
