"""Time, memory, kernels and host syncs of a computation, on a noisy machine."""

from __future__ import annotations

import gc
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from itertools import accumulate

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

Work = Callable[[], object]
MIB = 2**20


class Times:
    """Seconds of several variants, measured in interleaved rounds.

    Args:
        seconds: By variant, one for each round.

    Examples:
        >>> times = Times({"ours": [1.0, 2.0, 9.0], "naive": [2.0, 4.0, 18.0]})
        >>> times.ratio("ours", "naive"), times.median("ours")
        (0.5, 2.0)
    """

    def __init__(self, seconds: Mapping[str, list[float]]) -> None:
        self.seconds = seconds

    def median(self, name: str) -> float:
        """Return the median seconds of a variant."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, against: str) -> float:
        """Return the median over the rounds of one variant's share of another's."""
        pairs = zip(self.seconds[name], self.seconds[against], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def interleave(variants: Mapping[str, Work], rounds: int, device: str) -> Times:
    """Time variants in turn, round by round, after one untimed round.

    Args:
        variants: What to run, by name.
        rounds: Timed rounds; five tame a noisy machine to a few per cent.
        device: On "cpu" the process's own time is taken, which other processes
            disturb least; elsewhere the clock, with the device waited for.

    Returns:
        The times.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, work in variants.items():
            start = _now(device)
            work()
            if turn:
                seconds[name].append(_now(device) - start)
    return Times(seconds)


def _now(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def peak_extra_mib(work: Work, device: str) -> float:
    """Return the most MiB that a computation holds beyond what was held before.

    Asks the allocator on CUDA, and on a CPU follows its every grant and release.
    """
    gc.collect()
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        work()
    assert trace.profiler is not None
    events = trace.profiler.kineto_results.events()
    grants = [event for event in events if event.name() == "[memory]"]
    grants.sort(key=lambda event: event.start_ns())
    return max(accumulate((event.nbytes() for event in grants), initial=0)) / MIB


def count_kernels(work: Work) -> int:
    """Return how many kernels a computation starts on a CUDA device."""
    work()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        work()
        torch.cuda.synchronize()
    names = [e.name for e in trace.events() if e.device_type == DeviceType.CUDA]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in names)


def count_syncs(work: Work) -> int:
    """Return how often a computation makes the host wait for a CUDA device."""
    work()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(each.message) for each in caught)
