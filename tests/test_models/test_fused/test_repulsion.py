"""Repulsion from the other classes' queues against loops over pairs."""

from __future__ import annotations

import pytest
import torch
from helpers import option_references
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.functional import class_means, class_repulsion_loss

C, Q, K, N = 4, 6, 5, 17
IGNORE = 255


def problem(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ignored rows, an empty, a partly and two wholly filled queues."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, K, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, IGNORE, -1, C])[
        torch.randint(7, (N,), generator=generator)
    ]
    # A common direction, so that most similarities exceed a margin.
    queue = torch.randn(C, Q, K, generator=generator, dtype=torch.float64) + 0.7
    return (
        (features + 0.5).requires_grad_(),
        labels,
        F.normalize(queue, dim=2),
        torch.tensor([Q, 0, 2, Q]),
    )


def repulsion(
    features: Tensor, labels: Tensor, queue: Tensor, counts: Tensor, margin: float = 0.0
) -> Tensor:
    means = class_means(queue, counts)
    return class_repulsion_loss(features, labels, means, counts > 0, margin)


@pytest.mark.parametrize("margin", [-1.0, 0.0, 0.2, 1.0])
@pytest.mark.parametrize("layout", ["rows", "map"])
def test_equals_loops(margin: float, layout: str) -> None:
    features, labels, queue, counts = problem()
    if layout == "map":
        features = features.detach().t().contiguous().t().requires_grad_()
    expected = option_references.repulsion(features, labels, queue, counts, margin)
    loss = repulsion(features, labels, queue, counts, margin)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    got, want = (torch.autograd.grad(x, features)[0] for x in (loss, expected))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10)
    assert (loss > 0) == (margin < 1)


def test_gradcheck() -> None:
    features, labels, queue, counts = problem(1)
    assert torch.autograd.gradcheck(
        lambda x: repulsion(x, labels, queue, counts, 0.1), (features,)
    )


def test_a_step_along_the_descent_leaves_the_other_classes() -> None:
    features, labels, queue, counts = problem(2)
    loss = repulsion(features, labels, queue, counts)
    (gradient,) = torch.autograd.grad(loss, features)
    moved = features.detach() - 5 * gradient
    assert repulsion(moved, labels, queue, counts) < loss


@pytest.mark.parametrize(
    "case", ["no rows", "all ignored", "empty queues", "own queue alone"]
)
def test_without_pairs_a_zero_with_a_graph(case: str) -> None:
    leaf, labels, queue, counts = problem()
    features = leaf
    if case == "no rows":
        features, labels = leaf[:0], labels[:0]
    elif case == "all ignored":
        labels = torch.full_like(labels, IGNORE)
    elif case == "empty queues":
        counts = torch.zeros_like(counts)
    else:
        labels, counts = torch.zeros_like(labels), torch.tensor([Q, 0, 0, 0])
    loss = repulsion(features, labels, queue, counts, -1.0)
    loss.backward()
    assert loss.item() == 0
    assert leaf.grad is not None
    assert not leaf.grad.any()


def test_zero_ignored_and_invalid_rows_leave_no_trace() -> None:
    features, labels, queue, counts = problem()
    ignored = (labels < 0) | (labels >= C)
    row = int((~ignored).nonzero()[0])
    with torch.no_grad():
        features[ignored] = 0
        features[row] = 0
    clean = repulsion(features, labels, queue, counts, -0.5)
    with torch.no_grad():
        features[ignored] = torch.nan
    queue[1], queue[2, 2:] = torch.nan, torch.inf
    loss = repulsion(features, labels, queue, counts, -0.5)
    torch.testing.assert_close(loss, clean, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(loss, features)
    assert gradient.isfinite().all()
    assert not gradient[row].any()
    assert not gradient[ignored].any()


def test_half_precision_and_autocast_are_compared_in_float32() -> None:
    features, labels, queue, counts = problem()
    expected = repulsion(features, labels, queue, counts)
    half = features.detach().half().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = repulsion(half, labels, queue.half(), counts)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-3, atol=1e-4)
    assert torch.autograd.grad(loss, half)[0].dtype == torch.float16


def test_never_waits_for_the_device() -> None:
    features, labels, queue, counts = (x.to("meta") for x in problem())
    features = features.detach().requires_grad_()
    repulsion(features, labels, queue, counts).backward()
    assert features.grad is not None
