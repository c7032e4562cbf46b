"""The loss where few, half or all of the pairs are selected."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from benchmarks.speed.loss import (
    Problem,
    full_size,
    naive_loss,
    our_loss,
    step,
    two_products,
)
from benchmarks.speed.measure import Work, interleave
from benchmarks.speed.report import Row, Settings

SHARES = (0.01, 0.05, 0.13, 0.5, 1.0)
# What trainings at about the paper's weight select: 3 to 13 %.
TRAINED = (0.05, 0.13)
BOUNDS = {"map": 0.62, "16-bit rows": 0.52}


def with_share(problem: Problem, share: float) -> Problem:
    """Return the problem with the threshold that a share of the pairs exceeds.

    Args:
        problem: Any.
        share: In (0, 1]; over all classes, estimated from 30 rows of each.

    Examples:
        >>> from benchmarks.speed.loss import make_problem
        >>> problem = with_share(make_problem(200, 2, 50, 16, "cpu"), 0.1)
        >>> 0.55 < problem.threshold < 0.9
        True
    """
    if share >= 1:
        return replace(problem, threshold=-1.0)
    similarities = []
    for c, block in enumerate(problem.queue):
        t = problem.features[:, problem.labels == c][:, :30].t()
        similarities.append((F.normalize(t, dim=1) @ block.t()).flatten())
    ordered = torch.cat(similarities).sort().values
    threshold = float(ordered[int((1 - share) * (len(ordered) - 1))])
    return replace(problem, threshold=threshold)


def share_rows(settings: Settings) -> list[Row]:
    """Measure the loss against the naive version at several shares."""
    full = full_size(settings)
    rows = []
    for share in SHARES:
        problem = with_share(full, share)
        half = replace(problem, queue=problem.queue.half())
        works: dict[str, Work] = {
            "naive": step(naive_loss, problem),
            "floor": two_products(problem, rows=1024, queue_rows=512),
            "map": step(our_loss, problem),
            "16-bit rows": step(our_loss, half, rows=True),
        }
        times = interleave(works, min(3, settings.rounds), settings.device)
        floor = times.ratio("floor", "naive")
        note = f"naive {times.median('naive'):.3g} s, two products {floor:.2f} of it"
        for what, bound in BOUNDS.items():
            rows.append(
                Row(
                    "share selected",
                    f"{share:.0%}: time against naive, {what}",
                    times.ratio(what, "naive"),
                    bound=bound if share in TRAINED else None,
                    note=note,
                )
            )
    return rows
