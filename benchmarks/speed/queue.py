"""Pushing a source image's features, against ``torch.cat``."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.loss import Problem, make_problem
from benchmarks.speed.measure import Work, interleave, peak_extra_mib
from benchmarks.speed.report import Row, Settings
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
