"""Counts the classes of a dataset's labels: resumable, by one process for all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.logging import print_log
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch.utils.data import DataLoader, Dataset

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.class_counts import (
    ClassCounts,
    Int64,
    count_image,
    default_path,
    image_name,
)
from mmseg_cosda.errors import UserError

SAVE_SECONDS = 30.0
"""How often what is counted is written, and other processes hear of it: well below
the minutes after which a collective call gives up."""

FEW_IMAGES = 500
"""So few are counted sooner than reading processes start."""


def counted(
    dataset: Any, path: str | None = None, workers: int | None = None
) -> ClassCounts:
    """Return a dataset's class counts: of the file, else counted and written there.

    The first process counts, the others of a distributed run wait for it. What an
    interrupted count has written is gone on from.

    Args:
        dataset: A dataset of the host or one that wraps some.
        path: The file; None for ``work_dirs/class_counts/TYPE_IDENTITY.json``.
        workers: Processes that read; None for one per core, none where the images
            are few.

    Returns:
        The counts of all images, the same in all processes.

    Raises:
        UserError: If the file is of another dataset or can't be written, or a label
            can't be read.
    """
    steps = _count(dataset, path, workers) if dist.is_main_process() else None
    outcome: list[Any] = [None]
    while outcome[0] is None:
        if steps is not None:
            try:
                outcome = [next(steps)]
            except UserError as error:
                outcome = [error]
        dist.broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        raise outcome[0]
    assert isinstance(outcome[0], ClassCounts)
    return outcome[0]


def _count(
    dataset: Any, path: str | None, workers: int | None
) -> Iterator[ClassCounts | None]:
    """Yield None every now and then, at last the counts of all images."""
    counts = ClassCounts.empty(dataset)
    file = default_path(dataset, counts.identity) if path is None else Path(path)
    if file.is_file():
        stored = ClassCounts.read(file)
        _require_same(stored, counts, dataset, file)
        counts = stored
    total = len(dataset)
    if len(counts) == total:
        yield counts
        return
    print_log(
        f"counting the classes of {total - len(counts)} of {total} labels, once: "
        f"{file}. `{command('count_classes')} CONFIG` does it beforehand",
        logger="current",
    )
    rows: list[tuple[int, Int64]] = []
    saved = time.monotonic()
    with _progress_bar() as bar:
        task = bar.add_task("classes", total=total, completed=len(counts))
        try:
            for row in _rows(dataset, len(counts), workers):
                if isinstance(row, str):
                    raise UserError(row)
                rows.append(row)
                bar.advance(task)
                if time.monotonic() - saved > SAVE_SECONDS:
                    counts, rows = _saved(counts, rows, dataset, file), []
                    yield None
                    saved = time.monotonic()
        finally:  # interrupted, or a label can't be read: what is counted is kept
            if rows:
                counts = _saved(counts, rows, dataset, file)
    yield counts


def _progress_bar() -> Progress:
    """Return a bar with the time left; of a log file it is a line at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
    )


def _require_same(
    stored: ClassCounts, wanted: ClassCounts, dataset: Any, file: Path
) -> None:
    """Refuse the counts of another dataset."""
    if stored.identity == wanted.identity and len(stored) <= len(dataset):
        return
    what = "other label files, names or id maps"
    if stored.classes != wanted.classes:
        what = f"the classes {list(stored.classes)}, not {list(wanted.classes)}"
    elif len(stored) != len(dataset):
        what = f"{len(stored)} images, not {len(dataset)}"
    raise UserError(
        f"class_counts={str(file)!r} is of another dataset: {what}. Count again with "
        f"`{command('count_classes')} CONFIG --overwrite`, or leave class_counts out"
    )


def _saved(
    counts: ClassCounts, rows: list[tuple[int, Int64]], dataset: Any, file: Path
) -> ClassCounts:
    """Return the counts with the next images', which are written."""
    start = len(counts)
    names = [image_name(dataset, i) for i in range(start, start + len(rows))]
    extended = counts.extended(names, rows)
    extended.write(file)
    return extended


class _Rows(Dataset[Any]):
    """What is counted in each image, or what is wrong with it."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> tuple[int, Int64] | str:
        try:
            return count_image(self.dataset, index)
        except (ValueError, OSError, SyntaxError) as error:
            return " ".join(str(error).split())


def _rows(dataset: Any, start: int, workers: int | None) -> Iterator[Any]:
    """Count the images from ``start`` on, in their order."""
    todo = range(start, len(dataset))
    if workers is None:
        workers = 0 if len(todo) < FEW_IMAGES else os.cpu_count() or 1
    return iter(
        DataLoader(
            _Rows(dataset),
            batch_size=None,
            sampler=todo,
            num_workers=workers,
            collate_fn=_as_it_is,
            # The loader's seed would be drawn from the run's generator.
            generator=torch.Generator(),
        )
    )


def _as_it_is(row: Any) -> Any:
    return row
