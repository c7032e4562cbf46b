"""One writer per folder: a lock that is free as soon as its holder is dead."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmseg_cosda.errors import UserError

if sys.platform != "win32":
    import fcntl

TRAINING, PSEUDO_LABELS, REPRODUCE = ".training", ".pseudo_labels", ".reproduce"
"""What a folder is held for: a training, pseudo-labels, a run of ``reproduce``."""

_BUSY = {errno.EACCES, errno.EAGAIN}
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


@dataclass
class _Held:
    """A file that this process has locked, and how many of its parts want it."""

    handle: int
    process: int
    count: int = 1


_HELD: dict[Path, _Held] = {}


class FolderLock:
    """Holds a folder against other processes, for one purpose.

    The lock is the system's own on a file in the folder (POSIX, ``fcntl.lockf``), which
    belongs to the process: whoever dies, by ``kill -9`` too, gives it back, and data
    workers that outlive their parent by some seconds never had it. Within a process it
    can be taken again. On Windows, and on file systems without locks, it holds nothing.

    Args:
        folder: Made when the lock is taken, if missing.
        purpose: Leads the file's name; locks of other purposes don't meet.

    Examples:
        >>> import tempfile
        >>> lock = FolderLock(tempfile.mkdtemp(), ".example")
        >>> lock.take(), lock.path.is_file()
        (True, True)
        >>> lock.release()
        >>> lock.path.is_file()
        False
    """

    def __init__(self, folder: str | os.PathLike[str], purpose: str) -> None:
        self.path = Path(folder).resolve() / f"{purpose}.lock"
        self._mine: _Held | None = None

    def take(self) -> bool:
        """Take the lock; return False if another process has it."""
        held = _HELD.get(self.path)
        if held is not None and held.process == os.getpid():
            if self._mine is not held:
                held.count += 1
        else:
            handle = self._lock()
            if handle is None:
                return False
            held = _HELD[self.path] = _Held(handle, os.getpid())
        self._mine = held
        return True

    def _lock(self) -> int | None:
        """Return the descriptor of the locked file, -1 where nothing can be locked."""
        if sys.platform == "win32":
            return -1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(handle)
                if error.errno in _BUSY:
                    return None
                if error.errno not in _NO_LOCKS:
                    raise
                warnings.warn(
                    f"{self.path.parent}: this file system knows no locks "
                    f"({error.strerror}), so that nothing keeps a second writer out",
                    stacklevel=2,
                )
                return -1
            # The holder before may have removed the file since it was opened.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(self.path)):
                    break
            os.close(handle)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        return handle

    def release(self) -> None:
        """Give it back, if it was taken; the file goes with the last who took it."""
        held, self._mine = self._mine, None
        if held is None or held.process != os.getpid():
            return
        held.count -= 1
        if held.count == 0:
            del _HELD[self.path]
            if held.handle >= 0:
                self.path.unlink(missing_ok=True)
                os.close(held.handle)

    def is_busy(self) -> bool:
        """Return whether another process has it."""
        if not self.path.exists():
            return False
        taken = self.take()
        if taken:
            self.release()
        return not taken

    def holder(self) -> str:
        """Say who has it, in words; only for a process that hasn't.

        Its own file must not be opened here: to close it again would give the lock
        back.
        """
        try:
            found = json.loads(self.path.read_text())
            return f"process {found['pid']} on {found['host']} since {found['since']}"
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"

    def require(self, place: str, cure: str) -> None:
        """Take the lock.

        Args:
            place: How the user names the folder, such as ``--out DIR``.
            cure: What can be done where it is held.

        Raises:
            UserError: If another process has it, with who; or for a folder that can't
                be written.
        """
        try:
            taken = self.take()
            for _ in range(5):  # who only asks (is_busy) has it for a moment
                if taken:
                    break
                time.sleep(0.05)
                taken = self.take()
        except OSError as error:
            raise UserError(
                f"{place}: cannot write there ({error.strerror}); choose another folder"
            ) from error
        if not taken:
            raise UserError(f"{place} is being written by {self.holder()}: {cure}")


@contextmanager
def folder_locked(
    folder: str | os.PathLike[str], purpose: str, place: str, cure: str
) -> Iterator[None]:
    """Hold a folder within a block; see :meth:`FolderLock.require`.

    Args:
        folder: Made if missing.
        purpose: See :class:`FolderLock`.
        place: How the user names the folder.
        cure: What can be done where it is held.

    Yields:
        Nothing.
    """
    lock = FolderLock(folder, purpose)
    lock.require(place, cure)
    try:
        yield
    finally:
        lock.release()
