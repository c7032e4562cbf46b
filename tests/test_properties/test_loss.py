"""The cosine loss on any problem: against the loops, and what it doesn't depend on."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import pytest
import torch
from helpers import option_references
from helpers.properties import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from mmseg_cosda.models.functional import class_wise_cosine_loss_with_statistics

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
TIE = 1e-4
"""Similarities closer than this to the threshold, or to each other where the best k
are chosen, may be chosen otherwise in float32."""
EQUAL = 1e-12
"""Closer than this are those of equal rows, of which it is free which count."""


class Problem(NamedTuple):
    features: Tensor  # (N, K)
    labels: Tensor  # (N,)
    queue: Tensor  # (C, Q, K)
    counts: Tensor  # (C,)
    options: dict[str, Any]


@st.composite
def problems(draw: st.DrawFn, wide: bool = False) -> Problem:
    """Empty classes, queues of all fills, ignored rows, zero vectors, equal ones."""
    dtype = torch.float64 if wide else draw(st.sampled_from(DTYPES))
    options: dict[str, Any] = {
        "threshold": draw(st.none() | st.none() | st.floats(-1, 1)),
        "reduction": draw(st.sampled_from(["mean", "sum"])),
        "top_k": draw(st.none() | st.integers(1, 4)),
        "sync_free": draw(st.booleans()),
    }
    # The same seed beside other options is another problem.
    seed = zlib.crc32(repr(options).encode()) ^ draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    if options["threshold"] is None:
        options["threshold"] = float(1.6 * torch.rand((), generator=generator) - 0.8)
    sizes = torch.randint(1, 17, (4,), generator=generator).tolist()
    C, K, Q, N = sizes[0] % 4 + 1, sizes[1] % 5 + 2, sizes[2], sizes[3]
    Q, N = draw(st.sampled_from([(Q, N)] * 4 + [(0, N), (Q, 0)]))
    named = torch.tensor([*range(C)] * 4 + [-1, C, C + 3, 255])
    labels = named[torch.randint(len(named), (N,), generator=generator)]
    if draw(st.booleans()):
        labels[labels == draw(st.integers(0, C - 1))] = 255  # an absent class
    features = torch.randn(N, K, generator=generator, dtype=torch.float64)
    queue = torch.randn(C, Q, K, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        features[torch.rand(N, generator=generator) < 0.2] = 0
        queue[torch.rand(C, Q, generator=generator) < 0.2] = 0
    if draw(st.booleans()):
        queue[:, Q // 2 :] = queue[:, : Q - Q // 2].clone()
    counts = torch.randint(2 * Q + 1, (C,), generator=generator).clamp(max=Q)
    counts[torch.rand(C, generator=generator) < 0.2] = 0
    return Problem(features.to(dtype), labels, queue.to(dtype), counts, options)


def lengths(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """From 0.001 to 1,000."""
    powers = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return 10 ** (6 * powers - 3)


def solve(problem: Problem) -> tuple[Tensor, Tensor, Any]:
    """Return loss, gradient and statistics."""
    leaf = problem.features.clone().requires_grad_()
    loss, statistics = class_wise_cosine_loss_with_statistics(
        leaf, *problem[1:4], **problem.options
    )
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient, statistics


def assume_no_ties(problem: Problem) -> None:
    """Leave problems out whose choice of pairs hangs on a rounding."""
    unit = torch.nn.functional.normalize
    rows, queue = unit(problem.features.double(), dim=1), problem.queue.double()
    threshold = problem.options["threshold"]
    for label, row in zip(problem.labels.tolist(), rows, strict=True):
        if 0 <= label < len(queue):
            block = unit(queue[label, : int(problem.counts[label])], dim=1)
            M = (block @ row).sort().values
            assume(((M - threshold).abs() > TIE).all())
            steps = M.diff()
            tied = (steps > EQUAL) & (steps < TIE) & (M[1:] > threshold)
            assume(problem.options["top_k"] is None or not tied.any())


@examples(60)
@given(problems())
def test_it_is_what_the_loops_say(problem: Problem) -> None:
    assume_no_ties(problem)
    loss, gradient, statistics = solve(problem)
    wide = problem.features.double().requires_grad_()
    o = problem.options
    expected, chosen = option_references.top_k_loss(
        wide,
        problem.labels,
        problem.queue.double(),
        problem.counts,
        o["threshold"],
        o["reduction"],
        o["top_k"],
    )
    (slope,) = torch.autograd.grad(expected, wide)
    dtype = problem.features.dtype
    double = dtype == torch.float64
    assert loss.dtype == (torch.float64 if double else torch.float32)
    assert gradient.dtype == dtype
    assert statistics.selected.tolist() == chosen
    within = 1e-10 if double else 1e-5
    torch.testing.assert_close(
        loss.double(), expected.detach(), rtol=within, atol=within
    )
    least = slope.abs().max() if len(slope) else 0  # of which sums of it cancel
    within = max(within, 2 * torch.finfo(dtype).eps)
    torch.testing.assert_close(
        gradient.double(), slope, rtol=within, atol=within * float(least) + 1e-8
    )


@examples(40)
@given(problems(wide=True), st.integers(0, 2**32))
def test_the_order_of_pixels_and_classes_is_free(problem: Problem, seed: int) -> None:
    assume_no_ties(problem)
    generator = torch.Generator().manual_seed(seed)
    loss, gradient, statistics = solve(problem)
    pixels = torch.randperm(len(problem.labels), generator=generator)
    classes = torch.randperm(len(problem.counts), generator=generator)
    named = (problem.labels >= 0) & (problem.labels < len(classes))
    places = classes.argsort()[problem.labels.clamp(0, len(classes) - 1)]
    moved = problem._replace(
        features=problem.features[pixels],
        labels=torch.where(named, places, problem.labels)[pixels],
        queue=problem.queue[classes],
        counts=problem.counts[classes],
    )
    other, other_gradient, other_statistics = solve(moved)
    torch.testing.assert_close(other, loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(other_gradient, gradient[pixels], rtol=0, atol=1e-12)
    assert other_statistics.selected.equal(statistics.selected[classes])


@examples(40)
@given(problems(wide=True), st.integers(0, 2**32))
def test_lengths_of_features_are_free(problem: Problem, seed: int) -> None:
    assume_no_ties(problem)
    generator = torch.Generator().manual_seed(seed)
    scales = lengths(len(problem.labels), 1, generator)
    C, Q, _ = problem.queue.shape
    sizes = lengths(C, Q, generator)[..., None]
    loss, gradient, _ = solve(problem)
    other, other_gradient, _ = solve(
        problem._replace(
            features=problem.features * scales, queue=problem.queue * sizes
        )
    )
    torch.testing.assert_close(other, loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        other_gradient * scales, gradient, rtol=1e-10, atol=1e-12
    )
    # Along its own direction a feature has no slope.
    along = (other_gradient * problem.features * scales).sum(dim=1)
    assert (along.abs() < 1e-10).all()


@examples(40)
@given(problems(), st.sampled_from([float("nan"), float("inf")]))
def test_what_is_ignored_leaves_no_trace(problem: Problem, poison: float) -> None:
    C, Q, _ = problem.queue.shape
    loss, gradient, statistics = solve(problem)
    ignored = (problem.labels < 0) | (problem.labels >= C)
    unused = torch.arange(Q) >= problem.counts[:, None]
    spoilt = problem._replace(
        features=torch.where(ignored[:, None], poison, problem.features),
        queue=torch.where(unused[..., None], poison, problem.queue),
    )
    other, other_gradient, other_statistics = solve(spoilt)
    torch.testing.assert_close(other, loss)
    torch.testing.assert_close(other_gradient, gradient)
    assert not other_gradient[ignored].any()
    assert other_statistics.selected.equal(statistics.selected)


@examples(40)
@given(problems())
def test_a_mean_lies_between_nothing_and_the_threshold(problem: Problem) -> None:
    mean = problem._replace(options={**problem.options, "reduction": "mean"})
    loss, gradient, statistics = solve(mean)
    assert -1e-6 <= loss <= 1 - problem.options["threshold"] + 1e-6
    assert gradient.isfinite().all()
    if not statistics.selected.any():
        assert loss == 0
        assert not gradient.any()


@pytest.mark.parametrize("threshold", [-1e-311, -1e-50, -5e-324])
def test_a_threshold_that_float32_takes_for_0_is_0(threshold: float) -> None:
    """Where the tiles subtract what padding adds to a threshold below 0."""
    queue, counts = torch.tensor([[[1.0, 0.0], [9.0, 9.0]]]), torch.tensor([1])
    features = torch.tensor([[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]])
    options = {"threshold": threshold, "reduction": "sum", "sync_free": True}
    labels = torch.zeros(3, dtype=torch.int64)
    loss, _, statistics = solve(Problem(features, labels, queue, counts, options))
    assert statistics.selected.tolist() == [1]
    torch.testing.assert_close(loss, torch.tensor(0.4))
