"""The loss against its naive version and against the two matrix products it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.measure import (
    Work,
    count_kernels,
    count_syncs,
    interleave,
    peak_extra_mib,
)
from benchmarks.speed.report import Row, Settings
from mmseg_cosda.models.functional import class_wise_cosine_loss_with_statistics

Loss = Callable[[Tensor, "Problem"], Tensor]
Result = tuple[Tensor, Tensor]  # loss and gradient


@dataclass(frozen=True)
class Problem:
    """One target image's features and a full queue.

    Args:
        features: A map (K, N), as a network returns it.
        labels: (N,).
        queue: (C, Q, K) of unit norm.
        threshold: T_cos, by default one that 55 % of the pairs of a class exceed.
    """

    features: Tensor
    labels: Tensor
    queue: Tensor
    threshold: float = 0.55

    @property
    def counts(self) -> Tensor:
        """Return how many rows of each class are valid: all."""
        C, Q, _ = self.queue.shape
        return torch.full((C,), Q, device=self.queue.device)


def make_problem(
    pixels: int,
    classes: int,
    capacity: int,
    channels: int,
    device: str,
    dtype: torch.dtype = torch.float32,
) -> Problem:
    """Return features around a center for each class; class sizes follow Zipf's law.

    Args:
        pixels: N; 65 x 129 for DeepLabV2 at 1024 x 512.
        classes: C.
        capacity: Q, dict-size.
        channels: K.
        device: Of the tensors.
        dtype: Of features and queue.

    Returns:
        The problem, the same every time.
    """
    generator = torch.Generator().manual_seed(0)
    share = 1 / torch.arange(1, classes + 1, dtype=torch.float64)
    labels = torch.multinomial(share, pixels, replacement=True, generator=generator)
    centers = torch.randn(classes, channels, generator=generator, dtype=dtype)
    noise = torch.randn(pixels, channels, generator=generator, dtype=dtype)
    features = centers[labels].add_(noise, alpha=0.9).t().contiguous()
    queue = torch.randn(classes, capacity, channels, generator=generator, dtype=dtype)
    queue = F.normalize(queue.mul_(0.9).add_(centers[:, None]), dim=-1)
    return Problem(features.to(device), labels.to(device), queue.to(device))


def naive_loss(features: Tensor, problem: Problem) -> Tensor:
    """Eq. 9 and 10 as one writes them down: boolean index, normalize, M[M > T]."""
    total = features.new_zeros(())
    for c, block in enumerate(problem.queue):
        t = features[problem.labels == c]
        if len(t) == 0:
            continue
        M = F.normalize(t, dim=1) @ F.normalize(block.to(t), dim=1).t()
        chosen = M[problem.threshold < M]
        if chosen.numel():
            total = total + (1 - chosen).mean()
    return total / len(problem.queue)


def our_loss(
    features: Tensor, problem: Problem, sync_free: bool | None = None
) -> Tensor:
    """Eq. 9 and 10 in one pass, as the method's module calls it."""
    return class_wise_cosine_loss_with_statistics(
        features,
        problem.labels,
        problem.queue,
        problem.counts,
        problem.threshold,
        queue_is_normalized=True,
        sync_free=sync_free,
    )[0]


def step(loss: Loss, problem: Problem, rows: bool = False) -> Callable[[], Result]:
    """Return forward and backward of a loss on the map's view, or on rows."""
    features = problem.features.t()
    if rows:
        features = features.contiguous()

    def work() -> Result:
        leaf = features.detach().requires_grad_()
        value = loss(leaf, problem)
        return value.detach(), torch.autograd.grad(value, leaf)[0]

    return work


def two_products(problem: Problem, rows: int = 2**30, queue_rows: int = 2**30) -> Work:
    """Return the floor: M = T D^T and M D of each class, on rows sorted before.

    Args:
        problem: What to multiply.
        rows: Most rows of T multiplied at once, by default a class's.
        queue_rows: Most rows of D.
    """
    order = problem.labels.argsort(stable=True)
    features = problem.features.t()[order].contiguous()
    sizes = torch.bincount(problem.labels, minlength=len(problem.queue))
    ends = [0, *sizes.cumsum(0).tolist()]

    def work() -> None:
        for (start, end), block in zip(pairwise(ends), problem.queue, strict=True):
            for t in features[start:end].split(rows):
                for d in block.split(queue_rows):
                    (t @ d.t()) @ d

    return work


def full_size(settings: Settings, dtype: torch.dtype = torch.float32) -> Problem:
    """Return one of the paper's sizes: 1024 x 512 pixels, 19 classes, Q = 2,500."""
    sizes = (2000, 19, 300, 256) if settings.quick else (65 * 129, 19, 2500, 2048)
    return make_problem(*sizes, settings.device, dtype)


def loss_rows(settings: Settings) -> list[Row]:
    """Measure time and memory against naive and floor, and the errors of 16 bits."""
    problem = full_size(settings)
    half = replace(problem, queue=problem.queue.half())
    ours, halved = step(our_loss, problem), step(our_loss, half)
    works: dict[str, Work] = {
        "naive": step(naive_loss, problem),
        "floor": two_products(problem),
        "blocks": two_products(problem, rows=1024, queue_rows=512),
        "map": ours,
        "rows": step(our_loss, problem, rows=True),
        "half map": halved,
        "half rows": step(our_loss, half, rows=True),
    }
    times = interleave(works, settings.rounds, settings.device)
    row = partial(Row, "loss")
    note = f"naive {times.median('naive'):.3g} s, floor {times.median('floor'):.3g} s"
    rows = [
        row("time against naive", times.ratio("map", "naive"), bound=0.62, note=note),
        row("time, channels-last rows, against naive", times.ratio("rows", "naive")),
        row("time of two products against naive", times.ratio("floor", "naive")),
        row(
            "time of two products in blocks that fit a cache, against naive",
            times.ratio("blocks", "naive"),
        ),
        row("time against two products", times.ratio("map", "floor"), bound=1.25),
        row(
            "time, channels-last rows, against two products",
            times.ratio("rows", "floor"),
            bound=1.12,
        ),
        row("time, 16-bit queue, against naive", times.ratio("half map", "naive")),
        row(
            "time, 16-bit queue, channels-last rows, against naive",
            times.ratio("half rows", "naive"),
            bound=0.52,
        ),
    ]
    peaks = {
        name: peak_extra_mib(works[name], settings.device)
        for name in ("naive", "map", "rows")
    }
    sizes = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in peaks.items())
    rows += [
        row(
            "peak extra memory against naive",
            peaks["map"] / peaks["naive"],
            bound=0.40,
            note=sizes,
        ),
        row(
            "peak extra memory, channels-last rows, against naive",
            peaks["rows"] / peaks["naive"],
            bound=0.20,
        ),
    ]
    return rows + _error_rows(ours, halved, settings)


def _error_rows(
    ours: Callable[[], Result], half: Callable[[], Result], settings: Settings
) -> list[Row]:
    """Compare 16 bits with 32, and 64 with the naive version in 64."""
    double = make_problem(300, 19, 100, 64, settings.device, torch.float64)
    exact, naive = step(our_loss, double)(), step(naive_loss, double)()
    errors: list[tuple[str, Result, Result, tuple[float, float]]] = [
        ("16-bit queue", half(), ours(), (1e-4, 1e-2)),
        ("float64 against naive", exact, naive, (1e-10, 1e-10)),
    ]
    rows = []
    for what, ours_, theirs, bounds in errors:
        for part, a, b, bound in zip(
            ("loss", "gradient"), ours_, theirs, bounds, strict=True
        ):
            error = float((a - b).norm() / b.norm())
            rows.append(Row("loss", f"{what}: error of the {part}", error, "", bound))
    return rows


def cuda_rows(settings: Settings) -> list[Row]:
    """Count the kernels and host syncs of the loss on a CUDA device."""
    whats = ("kernels, forward + backward", "host syncs, forward + backward")
    units, bounds = ("kernels", "syncs"), (100.0, 0.0)
    counts: list[tuple[float | None, str]]
    if settings.device != "cuda":
        counts = [(None, "not run: no CUDA device")] * 2
    else:
        problem = full_size(settings)
        ours, naive = step(our_loss, problem), step(naive_loss, problem)
        counts = [
            (count_kernels(ours), f"naive {count_kernels(naive)}"),
            (count_syncs(ours), f"naive {count_syncs(naive)}"),
        ]
    return [
        Row("loss on CUDA", what, value, unit, bound, note)
        for what, unit, bound, (value, note) in zip(
            whats, units, bounds, counts, strict=True
        )
    ]
