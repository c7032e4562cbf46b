"""Files that are whole or absent, never half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when it is written whole.

    The bytes go to a temporary file in the same folder (made if missing), which
    replaces ``path`` when the block ends without an error.

    Args:
        path: The file's final name.

    Yields:
        The open temporary file.

    Examples:
        >>> import tempfile, pathlib
        >>> out = pathlib.Path(tempfile.mkdtemp()) / "sub" / "a.txt"
        >>> with atomic_write(out) as file:
        ...     _ = file.write(b"whole")
        >>> out.read_bytes(), len(list(out.parent.iterdir()))
        (b'whole', 1)
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, final)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
