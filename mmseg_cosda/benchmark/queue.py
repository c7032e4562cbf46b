"""Pushing a source image's features, against ``torch.cat``; how costs grow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.benchmark.loss import (
    Problem,
    make_problem,
    our_loss,
    step,
    two_products,
)
from mmseg_cosda.benchmark.measure import Work, interleave, peak_extra_mib
from mmseg_cosda.benchmark.report import Row, Settings
from mmseg_cosda.models.memory import ClassFeatureQueue


class ConcatenatedQueue:
    """The queue as one writes it down: a tensor per class, grown and cut by ``cat``."""

    def __init__(self, classes: int, capacity: int, like: Tensor) -> None:
        self.capacity = capacity
        self.blocks = [like.new_zeros(len(like), 0) for _ in range(classes)]

    def enqueue(self, features: Tensor, labels: Tensor) -> None:
        """Append the features (K, N) to their classes' blocks (K, Q)."""
        for c, block in enumerate(self.blocks):
            new = F.normalize(features[:, labels == c], dim=0)
            self.blocks[c] = torch.cat([block, new], dim=1)[:, -self.capacity :]


def _pushes(problem: Problem) -> dict[str, Work]:
    """Return a push of every kind onto a queue of its own."""
    C, Q, K = problem.queue.shape
    features, labels = problem.features, problem.labels
    rows = features.t().contiguous()
    naive = ConcatenatedQueue(C, Q, features)
    kinds = {
        "map": (features.t(), torch.float32, None),
        "rows": (rows, torch.float32, None),
        "half": (features.t(), torch.float16, None),
        "limit": (features.t(), torch.float32, 500),
    }
    pushes: dict[str, Work] = {"cat": partial(naive.enqueue, features, labels)}
    for name, (given, dtype, limit) in kinds.items():
        queue = ClassFeatureQueue(C, Q, K, dtype).to(features.device)
        pushes[name] = partial(queue.enqueue, given, labels, limit)
    return pushes


def queue_rows(settings: Settings) -> list[Row]:
    """Measure one push of a 1280 x 720 image's features, all 19 classes present."""
    sizes = (3000, 19, 300, 256) if settings.quick else (91 * 161, 19, 2500, 2048)
    problem = make_problem(*sizes, settings.device)
    pushes = _pushes(problem)
    for push in pushes.values():  # a full queue: the steady state
        for _ in range(3):
            push()
    times = interleave(pushes, settings.rounds, settings.device)
    queue = ClassFeatureQueue(*problem.queue.shape).to(settings.device)
    push = partial(queue.enqueue, problem.features.t(), problem.labels)
    peaks = [peak_extra_mib(push, settings.device) for _ in range(3)]
    row = partial(Row, "queue")
    note = f"torch.cat {1000 * times.median('cat'):.0f} ms, {sizes[0]} pixels"
    return [
        row("push against torch.cat", times.ratio("map", "cat"), bound=0.25, note=note),
        row(
            "push, channels-last rows, against torch.cat",
            times.ratio("rows", "cat"),
            bound=0.12,
        ),
        row("push, float16, against torch.cat", times.ratio("half", "cat")),
        row(
            "push, at most 500 per class, against torch.cat",
            times.ratio("limit", "cat"),
        ),
        row(
            "memory of the third push against the first",
            peaks[2] / peaks[0],
            bound=1.0,
            note=f"a push takes {peaks[0]:.1f} MiB beside the queue",
        ),
    ]


def growth_rows(settings: Settings) -> list[Row]:
    """Measure how loss and push grow over pixels, classes, queue size and channels."""
    base = {"pixels": 4096, "classes": 19, "capacity": 1000, "channels": 512}
    if settings.quick:
        base = {"pixels": 1024, "classes": 8, "capacity": 200, "channels": 128}
    rows = []
    for key, size in _grown(base):
        pixels, classes, capacity, channels = size.values()
        problem = make_problem(pixels, classes, capacity, channels, settings.device)
        C, Q, K = problem.queue.shape
        queue = ClassFeatureQueue(C, Q, K).to(settings.device)
        push = partial(queue.enqueue, problem.features.t(), problem.labels)
        works: dict[str, Work] = {
            "loss": step(our_loss, problem),
            "floor": two_products(problem),
            "push": push,
        }
        times = interleave(works, min(3, settings.rounds), settings.device)
        peak = peak_extra_mib(works["loss"], settings.device)
        ratio = times.ratio("loss", "floor")
        note = f"{ratio:.2f} of two products, {peak:.0f} MiB"
        at = f"{key}={size[key]}"
        rows.append(Row("growth", f"loss, {at}", times.median("loss"), "s", note=note))
        rows.append(Row("growth", f"push, {at}", times.median("push"), "s"))
    return rows


def _grown(base: dict[str, int]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the base with one size at a half, one, two and four times its value."""
    for key, value in base.items():
        for factor in (0.5, 1, 2, 4):
            yield key, {**base, key: int(value * factor)}
