"""Only the most similar pairs of each pixel count, on every path of the loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import option_references
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.functional import (
    class_wise_cosine_loss,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
)

C, Q, K, N = 4, 7, 5, 23
IGNORE = 255


def problem(
    seed: int = 0, unit: bool = False, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ignored rows, an absent class, an empty, a partly and a wholly filled queue."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, K, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, IGNORE, -1, C])[
        torch.randint(6, (N,), generator=generator)
    ]
    queue = 3 * torch.randn(C, Q, K, generator=generator, dtype=torch.float64)
    counts = torch.tensor([Q, 0, 3, Q])
    if unit:
        queue = F.normalize(queue, dim=2)
        queue[1], queue[2, 3:] = 0, 0  # as ClassFeatureQueue leaves them
    return features.to(dtype).requires_grad_(), labels, queue.to(dtype), counts


@pytest.mark.parametrize(("unit", "reduction"), [(True, "mean"), (False, "sum")])
@pytest.mark.parametrize("k", [1, 3, Q])
@pytest.mark.parametrize("threshold", [-1.0, -0.3, 0.2])
def test_equals_loops(
    sync_free: bool, threshold: float, k: int, unit: bool, reduction: str
) -> None:
    problem_ = problem(k, unit)
    features = problem_[0]
    expected, sizes = option_references.top_k_loss(*problem_, threshold, reduction, k)
    loss, stats = class_wise_cosine_loss_with_statistics(
        *problem_,
        threshold,
        reduction,
        queue_is_normalized=unit,
        sync_free=sync_free,
        top_k=k,
    )
    assert stats.selected.tolist() == sizes
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    got, want = (torch.autograd.grad(x, features)[0] for x in (loss, expected))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("k", [1, 3])
def test_blocks_equal_loops(k: int) -> None:
    features, labels, queue, counts = problem(1)
    blocks = [F.normalize(x[:n], dim=1) for x, n in zip(queue, counts, strict=True)]
    loss, stats = class_wise_cosine_loss_from_blocks(
        features, labels, blocks, -0.5, top_k=k
    )
    expected, sizes = option_references.top_k_loss(
        features, labels, queue, counts, -0.5, "mean", k
    )
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    assert stats.selected.tolist() == sizes


def test_gradcheck(sync_free: bool) -> None:
    features, labels, queue, counts = problem(3)

    def loss(x: Tensor) -> Tensor:
        return class_wise_cosine_loss_with_statistics(
            x, labels, queue, counts, -0.2, sync_free=sync_free, top_k=2
        )[0]

    assert loss(features) > 0
    assert torch.autograd.gradcheck(loss, (features,))


def test_of_equal_pairs_the_first_count(sync_free: bool) -> None:
    # M = {0, 1, 0.6, 0.6, 0.6, 0}: the directions of the tied ones differ.
    features = torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64, requires_grad=True)
    queue = torch.zeros(1, 6, 4, dtype=torch.float64)
    queue[0, 1, 0], queue[0, 2:5, 0] = 1, 0.6
    queue[0, 2, 1] = queue[0, 3, 2] = queue[0, 4, 3] = 0.8
    loss, stats = class_wise_cosine_loss_with_statistics(
        features,
        torch.tensor([0]),
        queue,
        torch.tensor([6]),
        0.3,
        "sum",
        queue_is_normalized=True,
        sync_free=sync_free,
        top_k=3,
    )
    loss.backward()
    assert stats.selected.tolist() == [3]
    assert loss.item() == pytest.approx(0.8)
    assert features.grad is not None
    assert features.grad[0].tolist() == pytest.approx([0, -0.8, -0.8, 0])


def test_a_k_that_leaves_nothing_out_changes_no_bit(sync_free: bool) -> None:
    features, labels, queue, counts = problem(dtype=torch.float32)
    results = []
    for k in (None, Q, Q + 1):
        loss, _ = class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, -0.2, sync_free=sync_free, top_k=k
        )
        results.append((loss, torch.autograd.grad(loss, features)[0]))
    assert results[0][0] > 0
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


EMPTY: dict[str, Any] = {
    "no rows": lambda f, y, q, n: (f[:0], y[:0], q, n),
    "all ignored": lambda f, y, q, n: (f, y * 0 + IGNORE, q, n),
    "empty queue": lambda f, y, q, n: (f, y, q, n * 0),
    "queue of capacity 0": lambda f, y, q, n: (f, y, q[:, :0], n * 0),
    "nobody passes": lambda f, y, q, n: (f, y, q, n),
}


@pytest.mark.parametrize("case", EMPTY)
def test_nothing_selected_is_a_zero_with_a_graph(sync_free: bool, case: str) -> None:
    leaf, *rest = problem()
    threshold = 1.0 if case == "nobody passes" else -0.5
    features, labels, queue, counts = EMPTY[case](leaf, *rest)
    loss, stats = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, threshold, sync_free=sync_free, top_k=2
    )
    loss.backward()
    assert loss.item() == 0
    assert stats.selected.sum() == 0
    assert leaf.grad is not None
    assert not leaf.grad.any()


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_ignored_and_invalid_rows_leave_no_trace(
    sync_free: bool, poison: float
) -> None:
    features, labels, queue, counts = problem()
    kw: dict[str, Any] = {"sync_free": sync_free, "top_k": 2}
    results = []
    for value in (0.0, poison):
        with torch.no_grad():
            features[(labels < 0) | (labels >= C)] = value
        for c in range(C):
            queue[c, int(counts[c]) :] = value
        loss, _ = class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, -0.9, **kw
        )
        results.append((loss, torch.autograd.grad(loss, features)[0]))
    assert results[0][0] > 0
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-12)


def test_tiles_never_wait_for_the_device() -> None:
    # Meta tensors have no values: whatever a GPU would have to wait for fails.
    for unit in (True, False):
        features, labels, queue, counts = (x.to("meta") for x in problem())
        features = features.detach().requires_grad_()
        loss, _ = class_wise_cosine_loss_with_statistics(
            features,
            labels,
            queue,
            counts,
            -0.1,
            queue_is_normalized=unit,
            top_k=2,
        )
        loss.backward()
        assert features.grad is not None


@pytest.mark.parametrize("top_k", [0, -1, 2.5])
def test_wrong_values_are_named(top_k: Any) -> None:
    features, labels, queue, counts = problem()
    with pytest.raises(ValueError, match=f"top_k={top_k}"):
        class_wise_cosine_loss(features, labels, queue, counts, 0.1, top_k=top_k)
    with pytest.raises(ValueError, match=f"top_k={top_k}"):
        class_wise_cosine_loss_from_blocks(
            features, labels, list(F.normalize(queue, dim=2)), 0.1, top_k=top_k
        )
