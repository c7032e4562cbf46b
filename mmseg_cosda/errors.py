"""User-facing errors, printed on one line."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

TRACEBACK = "MMSEG_COSDA_TRACEBACK"
"""Environment variable: set to 1, a tool's error comes with its traceback."""

_ROOM = "make room there, or write to another place"
_RIGHTS = "change its permissions, or take another place"
# What happens to anybody's files, and what to do about it.
CURES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "no file may become so large here: raise the limit (ulimit -f)",
    errno.EROFS: "write to another place",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EIO: "the disk or the network drive fails: look after it",
    errno.ELOOP: "symbolic links lead in a circle there: remove one of them",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ENOTDIR: "a part of this path is a file, no folder",
    errno.EISDIR: "this is a folder: name a file",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or take fewer workers",
}
# As writers of the host call the file that they write.
_PATHS = ("filepath", "file_path", "save_file", "filename", "path")
_IN_WORKER = re.compile(r"Caught \w+ in DataLoader worker")


class UserError(ValueError):
    """A mistake a user can mend: names the value, the place and the cure."""


class Stopped(SystemExit):
    """What a signal ended, in order.

    Args:
        number: The signal's; the exit status is the shell's, 128 more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a block as an error does, so that what it holds is put in order.

    Yields:
        Nothing. Behind the block the signal does what it did before.
    """

    def end(number: int, frame: object) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGTERM, end) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def about_file(error: OSError) -> str:
    """Say in a line which file an error is about, what is wrong and what to do.

    Many writers raise errors that name no file: then it is looked for in those calls
    that failed.

    Args:
        error: Of the system, with ``errno``.

    Examples:
        >>> about_file(OSError(errno.ENOSPC, "No space left on device", "a.pth"))
        'a.pth: no space left on device; make room there, or write to another place'
    """
    name, reason = error.filename or _file_in_calls(error), error.strerror or str(error)
    place = "" if name is None else f"{os.fspath(name)}: "
    if place and error.filename2 is not None:
        place = f"{error.filename} -> {error.filename2}: "
    cure = CURES.get(error.errno or 0)
    text = f"{place}{reason[:1].lower()}{reason[1:]}"
    return text if cure is None else f"{text}; {cure}"


def _file_in_calls(error: OSError) -> str | None:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        for key in _PATHS:
            value = frame.f_locals.get(key)
            if isinstance(value, (str, os.PathLike)) and str(value):
                return os.fspath(value)
    return None


def worker_message(error: Exception) -> str | None:
    """Return what a data worker said, of the error that the loader makes of it.

    Args:
        error: Any; its message is the worker's whole traceback.

    Returns:
        The last line, without the error's kind; None for other errors.
    """
    if not _IN_WORKER.match(str(error)):
        return None
    return str(error).strip().splitlines()[-1].partition(": ")[2]


def run_tool(main: Callable[[], object]) -> None:
    """Run a command-line tool; a user's mistake is one line and exit status 2.

    A ``UserError`` says all there is to know. Of another ``ValueError`` the message
    may say too little, so the line names the variable that shows the traceback. What
    a terminal can't show is written by its number, and ends nothing.

    Args:
        main: The tool's entry point, called without arguments.

    Raises:
        SystemExit: With status 2 on a ``UserError``, ``ValueError`` or ``OSError``,
            130 when interrupted, 141 when nobody reads the output any more.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
        _flush_output()
    except KeyboardInterrupt as error:
        print(f"interrupted {error}".strip(), file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _close_output()
        sys.exit(141)
    except (ValueError, OSError, KeyError, TypeError) as error:
        text, known = _one_line(error)
        if text is None:
            raise
        hint = ""
        if os.environ.get(TRACEBACK, "0") not in {"", "0"}:
            traceback.print_exc()
        elif not known:
            hint = f" ({TRACEBACK}=1 shows where)"
        print(f"error: {text}{hint}", file=sys.stderr)
        _close_output()
        sys.exit(2)


def _one_line(error: Exception) -> tuple[str | None, bool]:
    """Return what there is to say, None for no user's mistake; and if it is all."""
    if isinstance(error, KeyError | TypeError):
        from mmseg_cosda.build_errors import explain

        return explain(error), True
    found = worker_message(error)
    if found is not None:
        return found, True
    if isinstance(error, OSError) and error.errno in CURES:
        return about_file(error), True
    return str(error), isinstance(error, UserError)


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def _close_output() -> None:
    """Where stdout can't be written, let nothing fail again at the end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
