"""Files that are whole or absent, never half-written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO

from mmseg_cosda.errors import UserError


def inside(folder: str | os.PathLike[str], name: str) -> Path:
    """Return the path of a file in an output folder, and never one outside.

    Names come from split lists, manifests and data sets, whose authors are not who
    runs the tool. Sub-folders (``ulm/a.png``) are fine.

    Args:
        folder: The output folder; it may itself be a symbolic link.
        name: The file's name below it.

    Returns:
        ``folder / name``.

    Raises:
        UserError: For an absolute name, one with ``..``, an empty one, or one that
            a symbolic link in the folder leads out.

    Examples:
        >>> inside("out", "ulm/a.png").as_posix()
        'out/ulm/a.png'
        >>> inside("out", "../a.png")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: the name '../a.png' leaves the output folder
        out: it is absolute or holds '..'. Mend it in the list or data set ...
    """
    final, parts = Path(folder, name), PurePath(name).parts
    if not parts or PurePath(name).is_absolute() or ".." in parts:
        raise UserError(
            f"the name {name!r} leaves the output folder {folder}: it is absolute or "
            f"holds '..'. Mend it in the list or data set that it comes from"
        )
    if not final.resolve().is_relative_to(Path(folder).resolve()):
        raise UserError(
            f"the name {name!r} leaves the output folder {folder}: a symbolic link "
            f"there leads to {final.resolve()}. Remove the link or choose another "
            f"folder"
        )
    return final


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when it is written whole.

    The bytes go to a temporary file in the same folder (made if missing), which
    replaces ``path`` when the block ends without an error.

    Args:
        path: The file's final name.

    Yields:
        The open temporary file.

    Raises:
        OSError: If it can't be written (a full disk, ...), with the final name.

    Examples:
        >>> import tempfile, pathlib
        >>> out = pathlib.Path(tempfile.mkdtemp()) / "sub" / "a.txt"
        >>> with atomic_write(out) as file:
        ...     _ = file.write(b"whole")
        >>> out.read_bytes(), len(list(out.parent.iterdir()))
        (b'whole', 1)
    """
    final = Path(path)
    name = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, final)
    except BaseException as error:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)
        failed = _failed_write(error)
        if failed is not None and failed.errno and _is_ours(failed, final):
            raise OSError(failed.errno, failed.strerror, str(final)) from error
        raise


def _failed_write(error: BaseException) -> OSError | None:
    """Return the system's error that is behind one of a block that writes.

    ``torch.save`` ends its file where a write has failed, fails again, and raises that.
    """
    found: BaseException | None = error
    if isinstance(error, RuntimeError):
        while found is not None and not isinstance(found, OSError):
            found = found.__context__
    return found if isinstance(found, OSError) else None


def _is_ours(error: OSError, final: Path) -> bool:
    """Return whether an error names no file, or the temporary one."""
    name = error.filename
    return name is None or Path(os.fsdecode(name)).name.startswith(f".{final.name}.")
