"""Segments sum the same however few or many pairs are selected."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_cosda.models.functional import class_wise_cosine_loss_with_statistics
from mmseg_cosda.models.fused.segments import add_selected_rows

n, Q, K = 300, 40, 200  # more channels than are summed at once
LOOK_UP, PRODUCT = "_embedding_bag_forward_only", "addmm_"
SHARES = {0.0: None, 0.02: LOOK_UP, 0.5: PRODUCT, 0.98: LOOK_UP, 1.0: None}


class Operators(TorchDispatchMode):
    """Names the operators that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def problem(share: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Return w with this share of pairs, one row without any, D and a scale."""
    generator = torch.Generator().manual_seed(0)
    w = (torch.rand(n, Q, generator=generator, dtype=dtype) < share).to(dtype)
    if share < 1:
        w[0] = 0
    d = torch.randn(Q, K, generator=generator, dtype=dtype)
    scale = torch.rand(Q, generator=generator, dtype=dtype) + 0.5
    return w, d, scale


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("scaled", [False, True])
def test_equals_the_product_on_the_path_that_pays(share: float, scaled: bool) -> None:
    w, d, scale = problem(share)
    before = torch.ones(n, K, dtype=torch.float64)
    expected = before + w @ (d * scale[:, None] if scaled else d)
    out, numbers = before.clone(), w.sum(dim=1)
    with Operators() as seen:
        counted = add_selected_rows(out, w.clone(), d, scale if scaled else None)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    assert torch.equal(counted, numbers)
    path = SHARES[share]
    assert seen.names & {LOOK_UP, PRODUCT} == ({path} if path else set())


def test_float32_is_the_same_every_time() -> None:
    w, d, _ = problem(0.02, torch.float32)
    outs = [torch.zeros(n, K) for _ in range(2)]
    for out in outs:
        add_selected_rows(out, w.clone(), d, None)
    assert torch.equal(outs[0], outs[1])
    torch.testing.assert_close(outs[0], w @ d)


def test_few_rows_are_multiplied() -> None:
    # The copy of D by columns costs more than the product of three rows.
    w, d, _ = problem(0.02)
    with Operators() as seen:
        add_selected_rows(torch.zeros(3, K).double(), w[:3].clone(), d, None)
    assert PRODUCT in seen.names
    assert LOOK_UP not in seen.names


@pytest.mark.parametrize("layout", ["rows", "map"])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_loss_and_gradient_at_any_share(layout: str, unit: bool, share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n, 32, generator=generator, dtype=torch.float64)
    if layout == "map":
        features = features.t().contiguous().t()
    features.requires_grad_()
    queue = torch.randn(2, Q, 32, generator=generator, dtype=torch.float64)
    queue = F.normalize(queue, dim=-1) if unit else 3 * queue
    labels = torch.arange(n) % 3  # the third class has no queue
    all_M = F.normalize(features, dim=1) @ F.normalize(queue, dim=-1).mT
    threshold = float(all_M.detach().quantile(1 - share))
    losses = []
    for c in range(2):
        M = all_M[c][labels == c]
        losses.append((1 - M[threshold < M]).mean())
    expected = torch.stack(losses).mean()
    loss, stats = class_wise_cosine_loss_with_statistics(
        features,
        labels,
        queue,
        torch.tensor([Q, Q]),
        threshold,
        queue_is_normalized=unit,
        sync_free=False,
    )
    assert abs(float(stats.selected.sum() / stats.pairs.sum()) - share) < 0.02
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(x, features)[0] for x in (loss, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)
