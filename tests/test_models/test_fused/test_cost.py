"""What the loss costs: waiting, operators, memory."""

from __future__ import annotations

import collections
from typing import Any

import pytest
import torch
from helpers.loss_problem import C, K, N, problem
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.speed.measure import peak_extra_mib
from mmseg_cosda.models.functional import class_wise_cosine_loss_with_statistics
from mmseg_cosda.models.fused import tiles


def test_tiles_never_wait_for_the_device() -> None:
    # Meta tensors have no values: whatever a GPU would have to wait for fails.
    features, labels, queue, counts = (x.to("meta") for x in problem())
    features = features.detach().requires_grad_()
    loss, stats = class_wise_cosine_loss_with_statistics(
        features, labels, queue, counts, 0.1
    )
    loss.backward()
    assert features.grad is not None
    assert features.grad.shape == (N, K)
    assert stats.selected.shape == (C,)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, 0.1, sync_free=False
        )


class _Operators(TorchDispatchMode):
    """Names the operators that run: about the kernels that a GPU would start."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


VIEWS = {"view", "_unsafe_view", "t", "transpose", "unsqueeze", "slice", "detach"}
VIEWS |= {"select", "expand", "alias", "squeeze", "empty", "empty_like", "split"}
VIEWS |= {
    "scalar_tensor",
    "as_strided",
    "permute",
    "reshape",
    "_reshape_alias",
    "new_empty",
}


def test_operator_count_of_the_full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    # 8,385 rows, 19 classes, a queue of 2,500: shapes decide the count, not K; the
    # chunks are those of K = 2048.
    rows, classes, capacity, k = 8385, 19, 2500, 4
    monkeypatch.setattr(tiles, "_TILE_BYTES", tiles._TILE_BYTES * k // 2048)
    features = torch.randn(rows, k, requires_grad=True)
    labels = torch.randint(classes, (rows,))
    queue = F.normalize(torch.randn(classes, capacity, k), dim=-1)
    counts = torch.full((classes,), capacity)
    with _Operators() as seen:
        loss, _ = class_wise_cosine_loss_with_statistics(
            features,
            labels,
            queue,
            counts,
            0.6,
            queue_is_normalized=True,
            sync_free=True,
        )
        loss.backward()
    work = [name for name in seen.names if name not in VIEWS]
    assert len(work) <= 88, collections.Counter(work)


@pytest.mark.parametrize("layout", ["rows", "map"])
def test_peak_memory(layout: str) -> None:
    # Beyond its gradient the loss holds chunks, not pixels x queue (12 MiB here), and
    # of a map a copy by rows.
    features = torch.randn(2000, 512)
    if layout == "map":
        features = features.t().contiguous().t()
    features.requires_grad_()
    queue = F.normalize(torch.randn(2, 1600, 512), dim=-1)
    labels, counts = torch.arange(2000) % 2, torch.tensor([1600, 1600])
    gradient_mib = 2000 * 512 * 4 / 2**20

    def work() -> None:
        loss, _ = class_wise_cosine_loss_with_statistics(
            features, labels, queue, counts, 0.0, queue_is_normalized=True
        )
        torch.autograd.grad(loss, features)

    work()
    # t, w D and their product for 1,000 rows, w for 512 queue rows.
    chunks_mib = (3 * 1000 * 512 + 1000 * 512) * 4 / 2**20
    most = gradient_mib * (1 if layout == "rows" else 2) + chunks_mib + 0.5
    assert gradient_mib < peak_extra_mib(work, "cpu") < most
