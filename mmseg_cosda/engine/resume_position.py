"""A resumed training begins at its place in the data, and reads nothing before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.runner import IterBasedTrainLoop


class BatchesFrom:
    """The batches of a loader whose sampler stands at a later place.

    mmengine 0.10.7 loads and discards the batch of each iteration that is done; later
    ones let the sampler skip. Asked for those, this answers None.

    Args:
        loader: Of the training's data, without an end.
        passed: How many batches are done.

    Examples:
        >>> batches = BatchesFrom([("a", "b"), ("c", "d")], passed=2)
        >>> [next(batches) for _ in range(3)]
        [None, None, ('a', 'b')]
    """

    def __init__(self, loader: Any, passed: int) -> None:
        self._passed = passed
        self._batches = iter(loader)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._passed:
            self._passed -= 1
            return None
        return next(self._batches)


def pass_over_done(loop: Any) -> None:
    """Let a train loop that goes on begin with the batch of its iteration.

    Nothing changes where the host does so itself, or where the sampler isn't the
    host's ``InfiniteSampler``, whose places are counted alone.

    Args:
        loop: About to run, its iteration known.
    """
    if not isinstance(loop, IterBasedTrainLoop) or not loop.iter:
        return
    loader = loop.dataloader
    host_skips = hasattr(loop.dataloader_iterator, "skip_iter")
    if host_skips or type(loader.sampler) is not InfiniteSampler:
        return
    if loader.batch_size is None:
        return
    loop.dataloader_iterator = None  # its workers end before others begin
    done = loop.iter * loader.batch_size
    sampler = loader.sampler
    sampler.indices = itertools.islice(sampler._indices_of_rank(), done, None)
    loop.dataloader_iterator = BatchesFrom(loader, loop.iter)
