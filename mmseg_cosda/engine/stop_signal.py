"""SIGTERM, as schedulers send it before they kill: a training saves and ends."""

from __future__ import annotations

import functools
import os
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from torch import distributed

from mmseg_cosda.timeouts import process_timeout


class StopSignal:
    """Hears SIGTERM, and lets all processes end behind the same iteration.

    Each process adds up, in the background, whether any has heard it, and reads the sum
    of the iteration before: no iteration waits, least of all for a GPU.

    Examples:
        >>> StopSignal().heard
        False
    """

    def __init__(self) -> None:
        self.heard = False
        self._runner: Callable[[], Any] = lambda: None
        self._listens = False
        self._group: Any = None
        self._pending: tuple[Any, torch.Tensor] | None = None

    def listen(self, runner: Any) -> None:
        """Begin to listen; all processes of a training must call.

        Args:
            runner: That trains. A handler of the program's own stays in its place.
        """
        self._runner = weakref.ref(runner)
        alone = threading.current_thread() is threading.main_thread()
        before: Any = signal.getsignal(signal.SIGTERM)
        # An error may have ended the training that listened before.
        former = isinstance(getattr(before, "__self__", None), StopSignal)
        if alone and (before is signal.SIG_DFL or former):
            signal.signal(signal.SIGTERM, self._hear)
            self._listens = True
        for loop in (runner.train_loop, runner.val_loop):
            if loop is not None:
                make_workers_patient(loop.dataloader)
        if distributed.is_initialized() and distributed.get_world_size() > 1:
            limit = process_timeout(runner.cfg)
            self._group = distributed.new_group(backend="gloo", timeout=limit)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        runner = self._runner()
        while frame is not None:
            if frame.f_code.co_name == "train" and frame.f_locals.get("self") is runner:
                self.heard = True
                return
            frame = frame.f_back
        # Nothing is being trained any more.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def agreed(self) -> bool:
        """Return whether to end here; all processes get the same answer."""
        if self._group is None:
            return self.heard
        former = self._end_pending()
        count = torch.tensor([int(self.heard)])
        work = distributed.all_reduce(count, group=self._group, async_op=True)
        self._pending = (work, count)
        return former

    def _end_pending(self) -> bool:
        if self._pending is None:
            return False
        work, count = self._pending
        self._pending = None
        work.wait()
        return bool(count.item())

    def leave(self) -> None:
        """Listen no more; all processes must call."""
        self._end_pending()
        if self._listens:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._listens = False


def same_length_everywhere(loader: Any) -> bool:
    """Return whether all processes take the same number of steps through a loader."""
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return True
    sampler = loader.sampler
    return isinstance(sampler, DefaultSampler) and bool(sampler.round_up)


def make_workers_patient(loader: Any) -> None:
    """Let a loader's workers pass over a SIGTERM that isn't their parent's.

    A scheduler signals all processes of a job. Workers that died of it would end the
    training in the middle of an iteration, with nothing saved.

    Args:
        loader: A ``DataLoader`` whose workers aren't started yet.
    """
    if not getattr(loader, "num_workers", 0) or not hasattr(signal, "sigwaitinfo"):
        return
    former = loader.worker_init_fn
    if getattr(former, "func", None) is not _begin_patiently:
        begin = functools.partial(_begin_patiently, former, os.getpid())
        loader.worker_init_fn = begin


def _begin_patiently(
    former: Callable[[int], None] | None, parent: int, worker: int
) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey, args=(parent,), daemon=True).start()
    if former is not None:
        former(worker)


def _obey(parent: int) -> None:
    """End this worker when its parent says so, or is no more."""
    while True:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
        if sender == parent or os.getppid() != parent:
            os._exit(0)
