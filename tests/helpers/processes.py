"""Processes of a test's own, without the seconds that each would import."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from typing import Any

from torch.multiprocessing.spawn import start_processes

# What costs the seconds. A server imports it once; its children are forked from it.
PRELOAD = [
    "torch._dynamo",
    "torch.distributed",
    "mmengine.runner",
    "mmseg.models",
    "mmseg.datasets",
]


def run_processes(
    function: Callable[..., None], *args: Any, processes: int = 1
) -> None:
    """Run ``function(rank, *args)`` in new processes; raise what one of them raises.

    The function is a module's of this package: the name of a test file is another
    in a new process, where an installed package may own the name ``tests``.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    start_processes(function, args, processes, start_method="forkserver")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
