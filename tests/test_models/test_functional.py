"""The loss against the paper's formulas in loops, on every path it can take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import references
from helpers.loss_problem import C, K, N, Q, loss_and_gradient, problem
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.functional import (
    class_wise_cosine_loss,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("threshold", [-1.0, -0.3, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("layout", ["rows", "map"])
def test_equals_the_paper_in_loops(
    sync_free: bool, threshold: float, reduction: str, layout: str
) -> None:
    features, labels, queue, counts = problem(seed=int(10 * threshold) + 10)
    if layout == "map":  # rows that are the view of a map (K, h, w)
        features = features.detach().t().contiguous().t().requires_grad_()
        assert not features.is_contiguous()
    expected = references.class_wise_cosine_loss(
        features, labels, queue, counts, threshold, reduction
    )
    (expected_gradient,) = torch.autograd.grad(expected, features)
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, threshold, reduction, sync_free=sync_free
    )
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-10)


def test_hand_computed_value(sync_free: bool) -> None:
    # Class 0: M = {0.6, 1, -1}; class 1: M = {0.8}; class 2 has no row, 3 no queue.
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0], [5.0, 5.0]])
    queue = torch.tensor(
        [[[1.0, 0.0], [6.0, 8.0], [-3.0, -4.0]], [[6.0, 8.0]] * 3]
        + [[[1.0, 1.0]] * 3] * 2
    )
    counts, labels = torch.tensor([3, 1, 3, 0]), torch.tensor([0, 1, 3])
    mean, stats = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.5, "mean", sync_free=sync_free
    )
    total, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, -1.0, "sum", sync_free=sync_free
    )
    assert mean.item() == pytest.approx((0.4 / 2 + 0.2) / 4, abs=1e-6)
    # M = -1 is not above -1, up to rounding, which may put it either side.
    assert total.item() == pytest.approx((0.4 + 0.2) / 4, abs=1e-6) or (
        total.item() == pytest.approx((0.4 + 2 + 0.2) / 4, abs=1e-6)
    )
    assert stats.pairs.tolist() == [3, 1, 0, 0]
    assert stats.selected.tolist() == [2, 1, 0, 0]


def test_gradcheck(sync_free: bool) -> None:
    features, labels, queue, counts = problem(seed=3)

    def loss(x: Tensor) -> Tensor:
        return class_wise_cosine_loss_with_statistics(
            x, labels, queue, counts, 0.1, sync_free=sync_free
        )[0]

    assert torch.autograd.gradcheck(loss, (features,))


def test_backward_twice_gives_the_same_gradient(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    loss, _ = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.1, sync_free=sync_free
    )
    grads = [
        torch.autograd.grad(2 * loss, features, retain_graph=keep)[0]
        for keep in (True, True, False)
    ]
    assert grads[0].abs().sum() > 0
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


def test_gradients_accumulate_with_another_use_of_the_features() -> None:
    features, labels, queue, counts = problem()
    _, alone = loss_and_gradient(features, labels, queue, counts, 0.1)
    for _ in range(2):
        loss = class_wise_cosine_loss(features, labels, queue, counts, 0.1)
        (loss + features.sum()).backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, 2 * alone + 2)


def test_queue_may_change_between_forward_and_backward() -> None:
    features, labels, queue, counts = problem()
    _, expected = loss_and_gradient(features, labels, queue, counts, 0.1)
    loss = class_wise_cosine_loss(features, labels, queue, counts, 0.1)
    queue.zero_()
    counts.zero_()
    torch.testing.assert_close(torch.autograd.grad(loss, features)[0], expected)


def test_gradients_flow_into_the_features_alone() -> None:
    features, labels, queue, counts = problem()
    queue.requires_grad_()
    class_wise_cosine_loss(features, labels, queue, counts, 0.1).backward()
    assert features.grad is not None
    assert queue.grad is None


def test_blocks_of_any_length_equal_the_padded_queue() -> None:
    features, labels, queue, counts = problem()
    expected = loss_and_gradient(features, labels, queue, counts, 0.1, "sum")
    blocks = [F.normalize(queue[c, : int(n)], dim=1) for c, n in enumerate(counts)]
    loss, stats = class_wise_cosine_loss_from_blocks(
        features, labels, blocks, 0.1, "sum"
    )
    torch.testing.assert_close(loss, expected[0])
    torch.testing.assert_close(torch.autograd.grad(loss, features)[0], expected[1])
    assert stats.pairs.tolist() == [
        int((labels == c).sum() * counts[c]) for c in range(C)
    ]


def test_one_block_compares_everything_with_everything() -> None:
    features, labels, queue, _ = problem()
    source = F.normalize(queue.flatten(0, 1), dim=1)
    loss, stats = class_wise_cosine_loss_from_blocks(
        features, torch.zeros_like(labels), [source], 0.2
    )
    M = F.normalize(features, dim=1) @ source.t()
    torch.testing.assert_close(loss, (1 - M[M > 0.2]).mean())
    assert stats.pairs.tolist() == [N * C * Q]
    assert stats.selected.tolist() == [int((M > 0.2).sum())]


BAD: dict[str, dict[str, Any]] = {
    "threshold=1.5": {"threshold": 1.5},
    "threshold=-1.1": {"threshold": -1.1},
    "threshold=nan": {"threshold": float("nan")},
    "reduction='none'": {"reduction": "none"},
    "features of shape": {"features": torch.zeros(N)},
    "labels of shape": {"labels": torch.zeros(N + 1, dtype=torch.int64)},
    "labels of torch.float32": {"labels": torch.zeros(N)},
    "queue of shape": {"queue": torch.zeros(C, Q, K + 1)},
    "queue of torch.int64": {"queue": torch.zeros(C, Q, K, dtype=torch.int64)},
    "counts of shape": {"counts": torch.zeros(C + 1, dtype=torch.int64)},
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_arguments_are_named(message: str) -> None:
    features, labels, queue, counts = problem()
    args: dict[str, Any] = {"features": features, "labels": labels}
    args |= {"queue": queue, "counts": counts, "threshold": 0.5}
    with pytest.raises(ValueError, match=message):
        class_wise_cosine_loss(**{**args, **BAD[message]})


def test_wrong_blocks_are_named() -> None:
    features, labels, _, _ = problem()
    with pytest.raises(ValueError, match="blocks is empty"):
        class_wise_cosine_loss_from_blocks(features, labels, [], 0.5)
    with pytest.raises(ValueError, match=r"blocks\[1\] has shape \(2, 3\)"):
        class_wise_cosine_loss_from_blocks(
            features, labels, [torch.zeros(2, K), torch.zeros(2, 3)], 0.5
        )
