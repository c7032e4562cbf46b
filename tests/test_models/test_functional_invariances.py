"""What the loss does not depend on, and what it makes of nothing."""

from __future__ import annotations

import pytest
import torch
from helpers import references
from helpers.loss_problem import IGNORE, C, K, N, Q, loss_and_gradient, problem
from torch.nn import functional as F

from mmseg_cosda.models.functional import (
    class_wise_cosine_loss,
    class_wise_cosine_loss_with_statistics,
)

NOTHING_SELECTED = {
    "no rows": lambda f, y, q, n: (f[:0], y[:0], q, n),
    "all ignored": lambda f, y, q, n: (f, y * 0 + IGNORE, q, n),
    "empty queue": lambda f, y, q, n: (f, y, q, n * 0),
    "queue of capacity 0": lambda f, y, q, n: (f, y, q[:, :0], n * 0),
    "zero features": lambda f, y, q, n: (f * 0, y, q, n),
    "zero queue": lambda f, y, q, n: (f, y, q * 0, n),
    "nobody passes": lambda f, y, q, n: (f, y, -f[y == 0][:1].expand(C, Q, K), n),
}


@pytest.mark.parametrize("case", NOTHING_SELECTED)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_selected_is_a_zero_with_a_graph(
    sync_free: bool, case: str, reduction: str
) -> None:
    leaf, labels, queue, counts = problem()
    if case == "nobody passes":
        labels = torch.zeros_like(labels)
        labels[1:] = IGNORE
    args = NOTHING_SELECTED[case](leaf, labels, queue, counts)
    loss, stats = class_wise_cosine_loss_with_statistics(
        *args, 0.1, reduction, sync_free=sync_free
    )
    assert loss.item() == 0
    assert stats.selected.sum() == 0
    loss.backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, torch.zeros_like(leaf))


def test_a_zero_vector_is_similar_to_nothing(sync_free: bool) -> None:
    # With T_cos < 0 its pairs are selected, at M = 0, and give it no gradient.
    features, labels, queue, counts = problem()
    with torch.no_grad():
        features[labels == 0] = 0
    queue[2, 0] = 0
    expected = references.class_wise_cosine_loss(
        features, labels, queue, counts, -0.5, "mean"
    )
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, -0.5, sync_free=sync_free
    )
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-10)
    assert torch.equal(gradient[labels == 0], torch.zeros_like(gradient[labels == 0]))
    assert gradient.isfinite().all()
    assert gradient[labels == 2].abs().sum() > 0


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_ignored_rows_and_invalid_queue_rows_leave_no_trace(
    sync_free: bool, poison: float
) -> None:
    features, labels, queue, counts = problem()
    labels[-1] = IGNORE  # the row that padding reads
    clean = loss_and_gradient(features, labels, queue, counts, -0.2)
    with torch.no_grad():
        features[(labels < 0) | (labels >= C)] = poison
    for c in range(C):
        queue[c, int(counts[c]) :] = poison
    dirty = loss_and_gradient(
        features, labels, queue, counts, -0.2, sync_free=sync_free
    )
    torch.testing.assert_close(dirty, clean, rtol=0, atol=1e-12)


def test_counts_outside_the_queue_are_cut_to_it(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": -0.4, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    wrong = torch.tensor([Q + 5, -1, 3, Q + 1])
    actual = loss_and_gradient(features, labels, queue, wrong, **kw)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_unit_queue_without_normalization(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": -0.4, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    unit = F.normalize(queue, dim=-1)
    for c in range(C):
        unit[c, int(counts[c]) :] = 0  # as ClassFeatureQueue leaves them
    actual = loss_and_gradient(
        features, labels, unit, counts, **kw, queue_is_normalized=True
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_order_scale_and_duplicates_of_pixels(sync_free: bool) -> None:
    features, labels, queue, counts = problem()
    kw = {"threshold": 0.1, "sync_free": sync_free}
    loss, gradient = loss_and_gradient(features, labels, queue, counts, **kw)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    shuffled = loss_and_gradient(features[order], labels[order], queue, counts, **kw)[0]
    torch.testing.assert_close(shuffled, loss)
    scaled = (7 * features.detach()).requires_grad_()
    loss_7, gradient_7 = loss_and_gradient(scaled, labels, queue, counts, **kw)
    torch.testing.assert_close(loss_7, loss)
    torch.testing.assert_close(7 * gradient_7, gradient)
    twice = class_wise_cosine_loss(
        features.repeat(2, 1), labels.repeat(2), queue, counts, 0.1
    )
    torch.testing.assert_close(twice, loss)  # a mean
    # Cosine similarity doesn't feel length: the gradient is orthogonal to the row.
    torch.testing.assert_close(
        (gradient * features).sum(1), torch.zeros(N).double(), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_dtypes_of_the_features(sync_free: bool, dtype: torch.dtype) -> None:
    features, labels, queue, counts = problem(dtype=dtype)
    loss, gradient = loss_and_gradient(
        features, labels, queue, counts, 0.1, sync_free=sync_free
    )
    double = features.detach().double().requires_grad_()
    expected = loss_and_gradient(double, labels, queue.double(), counts, 0.1)
    assert loss.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(loss.double(), expected[0], rtol=1e-6, atol=1e-6)
    tolerance = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        gradient.double(), expected[1], rtol=tolerance, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_queue_moves_the_loss_little(
    sync_free: bool, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (300,), generator=generator)
    centers = torch.randn(3, 64, generator=generator)
    features = centers[labels] + torch.randn(300, 64, generator=generator)
    features.requires_grad_()
    queue = centers[:, None] + torch.randn(3, 50, 64, generator=generator)
    queue, counts = F.normalize(queue, dim=-1), torch.tensor([50, 50, 50])
    loss, gradient = loss_and_gradient(features, labels, queue, counts, 0.5)
    loss_16, gradient_16 = loss_and_gradient(
        features,
        labels,
        queue.to(dtype),
        counts,
        0.5,
        queue_is_normalized=True,
        sync_free=sync_free,
    )
    # bfloat16 has three bits fewer than float16, whose bounds are 1e-4 and 1e-2.
    slack = 1 if dtype == torch.float16 else 8
    assert (loss_16 - loss).abs() <= slack * 1e-4 * loss
    assert (gradient_16 - gradient).norm() <= slack * 1e-2 * gradient.norm()


def test_autocast_does_not_touch_the_comparison(sync_free: bool) -> None:
    features, labels, queue, counts = problem(dtype=torch.float32)
    kw = {"threshold": 0.1, "sync_free": sync_free}
    expected = loss_and_gradient(features, labels, queue, counts, **kw)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = loss_and_gradient(features, labels, queue, counts, **kw)
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


def test_same_result_every_time(sync_free: bool) -> None:
    args = problem(dtype=torch.float32)
    first, second = (
        loss_and_gradient(*args, 0.1, sync_free=sync_free) for _ in range(2)
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
