from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import FolderLock, folder_locked

ROOT = Path(__file__).parents[1]
# Holds a folder, and has a worker that outlives it.
HOLDER = """
import multiprocessing, sys, time
from mmseg_cosda.locks import FolderLock
def work(folder):
    open(folder + "/worker", "w").write(str(multiprocessing.current_process().pid))
    time.sleep(60)
lock = FolderLock(sys.argv[1], ".a")
assert lock.take()
multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1],)).start()
time.sleep(60)
"""


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text()


def test_a_killed_holder_s_lock_is_free_while_its_workers_live(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)]
    holder = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    worker = int(wait_for(tmp_path / "worker"))
    lock = FolderLock(tmp_path, ".a")
    try:
        assert not lock.take()
        assert f"process {holder.pid} on " in lock.holder()
        with pytest.raises(UserError, match=rf"^--out x is .*{holder.pid} on .*: wait"):
            lock.require("--out x", "wait")
        assert FolderLock(tmp_path, ".b").take()  # another purpose
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.kill(worker, 0)  # it lives
        assert lock.take()
    finally:
        holder.kill()
        os.kill(worker, signal.SIGKILL)
        lock.release()
    assert not lock.path.exists()


def test_within_a_process_the_last_gives_it_back(tmp_path: Path) -> None:
    outer, inner = FolderLock(tmp_path, ".a"), FolderLock(tmp_path, ".a")
    assert outer.take()
    assert inner.take()
    inner.release()
    inner.release()  # once more is nothing
    assert outer.path.exists()
    with folder_locked(tmp_path, ".a", "here", "wait"):
        outer.release()
        assert outer.path.exists()
    assert not outer.path.exists()


def test_a_fork_gives_nothing_back(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, ".a")
    assert lock.take()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert lock.path.exists()
    lock.release()
