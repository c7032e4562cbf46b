"""Files that are removed only when what replaces them is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from mmseg_cosda.files import atomic_write

WAITING = ".replaced.json"
"""Notes what is to be removed, for a training that is killed before."""


class PatientBackend:
    """A file backend that removes a file only when what replaces it is written.

    The host's ``CheckpointHook`` removes the oldest checkpoint, and the best one,
    before it writes the next: killed in between, with ``max_keep_ckpts=1`` there is
    none.

    Args:
        backend: That reads and writes.
        folder: Outside which nothing is removed; None for no such limit.
    """

    def __init__(self, backend: Any, folder: Path | None) -> None:
        self._backend, self._folder = backend, folder
        self._waiting: list[tuple[Callable[[str], None], str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        """Remove a file, later."""
        self._wait(self._backend.remove, path)

    def rmtree(self, path: str) -> None:
        """Remove a folder, later."""
        self._wait(self._backend.rmtree, path)

    def _wait(self, remove: Callable[[str], None], path: str) -> None:
        folder = self._folder
        if folder is None:
            self._waiting.append((remove, path, _identity(path)))
        elif Path(path).resolve().parent == folder.resolve():
            self._waiting.append((remove, path, _identity(path)))
            noted = [(Path(path).name, identity) for _, path, identity in self._waiting]
            with atomic_write(folder / WAITING) as file:
                file.write(json.dumps(noted).encode())

    def flush(self) -> None:
        """Remove what waits, but for what was written again under its name."""
        waiting, self._waiting = self._waiting, []
        for remove, path, identity in waiting:
            if _identity(path) == identity:
                remove(path)
        if waiting and self._folder is not None:
            (self._folder / WAITING).unlink(missing_ok=True)


def finish_removals(folder: Path, kept: Container[str]) -> None:
    """Remove what a killed training had replaced, but not removed yet.

    Args:
        folder: Of its checkpoints.
        kept: Names that the training goes on with, whatever was noted.
    """
    try:
        noted = json.loads((folder / WAITING).read_text())
    except (OSError, ValueError):
        return
    for name, identity in noted:
        path = folder / Path(name).name
        found = _identity(str(path))
        if found is not None and list(found) == identity and name not in kept:
            path.unlink()
    (folder / WAITING).unlink(missing_ok=True)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
