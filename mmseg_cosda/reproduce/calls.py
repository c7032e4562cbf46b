"""Commands in processes of their own, and folders that are held meanwhile."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmseg_cosda.locks import REPRODUCE, FolderLock


class CommandError(Exception):
    """A training or another command ended with an error.

    Args:
        log: File with all that it printed.
        status: Its exit status.
    """

    def __init__(self, log: Path, status: int) -> None:
        lines = log.read_text(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it printed nothing"
        super().__init__(f"exit status {status}: {last} (log: {log})")


@contextmanager
def locked(folder: Path, *others: FolderLock) -> Iterator[bool]:
    """Hold a folder against other processes of this tool.

    Args:
        folder: It is made if missing.
        others: Locks of the commands that write there: one that a killed process of
            this tool left behind goes on, and holds its own.

    Yields:
        Whether nobody else holds any.
    """
    lock = FolderLock(folder, REPRODUCE)
    try:
        yield lock.take() and not any(other.is_busy() for other in others)
    finally:
        lock.release()


def call(command: Sequence[str], log: Path) -> None:
    """Run a command, with its output at the end of a file.

    Args:
        command: The command.
        log: The file.

    Raises:
        CommandError: If it fails.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            status = process.wait()
        except BaseException:  # interrupted: the training is not left behind
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
    if status != 0:
        raise CommandError(log, status)
