"""How the costs of loss and queue grow with pixels, classes, queue, channels, ranks."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from benchmarks.speed.loss import (
    Problem,
    make_problem,
    our_loss,
    step,
    two_products,
)
from benchmarks.speed.measure import Work, interleave, peak_extra_mib
from benchmarks.speed.report import Row, Settings
from mmseg_cosda.models.alignments.gather import gather_rows
from mmseg_cosda.models.memory import ClassFeatureQueue

Sizes = dict[str, int]
BASE: Sizes = {"pixels": 4096, "classes": 19, "queue size": 1000, "channels": 512}
QUICK: Sizes = {"pixels": 1024, "classes": 8, "queue size": 200, "channels": 128}
FACTORS = (0.5, 1, 2, 4)
PROCESSES = (1, 2, 4)
LOSS, PRODUCTS = "loss, forward + backward", "two matrix products (floor)"
PUSH, COPY = "push of an image per process", "copy of its rows (floor)"


def growth_rows(settings: Settings) -> list[Row]:
    """Measure loss and push with one size at a half to four times its base.

    Beside each stands its floor: the two matrix products of the loss, and a copy of
    the rows that a push writes. With several processes, joined over gloo, each pushes
    an image that all others receive, so that the floor is a copy of them all.
    """
    base = QUICK if settings.quick else BASE
    rows = []
    for key, sizes in _grown(base):
        rows += _rows_at(f"{key}={sizes[key]}", _problem(sizes, settings), settings)
    for number in PROCESSES[:2] if settings.quick else PROCESSES:
        push, copy = _push_of_processes(number, base, settings)
        at = f"processes={number}"
        note = "own time of a process, gloo on the CPU"
        rows.append(Row("growth", f"{PUSH}, {at}", push, "s", note=note))
        rows.append(Row("growth", f"{COPY}, {at}", copy, "s"))
    return rows


def _grown(base: Sizes) -> Iterator[tuple[str, Sizes]]:
    """Yield the base with one size at a time at each factor of its value."""
    for key, value in base.items():
        for factor in FACTORS:
            yield key, {**base, key: int(value * factor)}


def _problem(sizes: Sizes, settings: Settings) -> Problem:
    pixels, classes, capacity, channels = sizes.values()
    return make_problem(pixels, classes, capacity, channels, settings.device)


def _rows_at(at: str, problem: Problem, settings: Settings) -> list[Row]:
    """Measure loss, push and their floors once the queue is full."""
    works: dict[str, Work] = {
        LOSS: step(our_loss, problem),
        PRODUCTS: two_products(problem),
        PUSH: _push(problem),
        COPY: _copy(problem.features.t().contiguous()),
    }
    times = interleave(works, min(3, settings.rounds), settings.device)
    peak = peak_extra_mib(works[LOSS], settings.device)
    notes = {LOSS: f"{times.ratio(LOSS, PRODUCTS):.2f} of the floor, {peak:.0f} MiB"}
    return [
        Row(
            "growth",
            f"{what}, {at}",
            times.median(what),
            "s",
            None,
            notes.get(what, ""),
        )
        for what in works
    ]


def _push(problem: Problem) -> Work:
    C, Q, K = problem.queue.shape
    queue = ClassFeatureQueue(C, Q, K).to(problem.features.device)

    def push() -> None:
        rows: tuple[Tensor, Tensor] = gather_rows(
            problem.features.t(), problem.labels, C
        )
        queue.enqueue(*rows)

    return push


def _copy(rows: Tensor) -> Work:
    """Return the floor: rows written to memory that is there, as the queue's is."""
    return partial(torch.empty_like(rows).copy_, rows)


def _push_of_processes(
    number: int, sizes: Sizes, settings: Settings
) -> tuple[float, float]:
    """Return the seconds of a push and of its floor, the mean over the processes."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(_rank, (number, folder, sizes, settings), nprocs=number)
        ranks = [json.loads(file.read_text()) for file in Path(folder).glob("*.json")]
    push, copy = (statistics.mean(times) for times in zip(*ranks, strict=True))
    return push, copy


def _rank(
    rank: int, number: int, folder: str, sizes: Sizes, settings: Settings
) -> None:
    """Push in one of several processes and leave its times in a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=number
    )
    problem = _problem(sizes, Settings("cpu"))
    rows = problem.features.t().repeat(number, 1)
    works: dict[str, Work] = {"push": _push(problem), "copy": _copy(rows)}
    times = interleave(works, max(3, settings.rounds), "cpu")
    medians = [times.median(name) for name in works]
    Path(folder, f"{rank}.json").write_text(json.dumps(medians))
    dist.destroy_process_group()
