"""Processes of a test's own, without the seconds that each would import.

What they run is a module's of this package: the name of a test file is another in a
new process, where an installed package may own the name ``tests``.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
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


def run_ranks(function: Callable[..., None], *args: Any, processes: int = 1) -> None:
    """Run ``function(rank, *args)`` in each process; raise what one of them raises."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    start_processes(function, args, processes, start_method="forkserver")


def run_process(
    function: Callable[..., None],
    *args: Any,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """Run ``function(*args)`` in a process; return its status and what it printed."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    context = multiprocessing.get_context("forkserver")
    with TemporaryDirectory() as folder:
        process = context.Process(
            target=_redirected, args=(Path(folder), cwd, env or {}, function, *args)
        )
        process.start()
        process.join()
        printed = [(Path(folder) / name).read_text() for name in ("stdout", "stderr")]
    assert process.exitcode is not None
    return CompletedProcess(args, process.exitcode, *printed)


def run_script(
    path: Path, args: list[str], cwd: Path, env: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a script in a process that has imported torch and the host, no more."""
    return run_process(as_main, path, args, cwd=cwd, env=env)


def as_main(path: Path, args: list[str]) -> None:
    sys.argv = [str(path), *args]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


def _redirected(
    folder: Path,
    cwd: Path,
    env: Mapping[str, str],
    function: Callable[..., None],
    *args: Any,
) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.chdir(cwd)
    os.environ.update(env)
    function(*args)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
