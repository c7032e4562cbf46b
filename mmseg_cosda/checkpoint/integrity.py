"""Is a checkpoint file what was written, bit for bit?"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from mmseg_cosda.errors import UserError

CHUNK = 1 << 20
ZIP_START = b"PK\x03\x04"
# As torch hub and OpenMMLab name files: net-0123abcd.pth, the SHA-256's beginning.
DIGEST = re.compile(r"-(?P<digest>[0-9a-f]{8,64})\.[a-z.]+$")
DATE = re.compile(r"(19|20)\d{6}$")


def is_zip(file: Path | BinaryIO) -> bool:
    """Return whether a checkpoint is of torch's zip format, as torch itself decides.

    Args:
        file: A path, or a file open for reading; its position is kept.

    Returns:
        False for the old format, which holds no checksum.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(len(ZIP_START)) == ZIP_START
    position = file.tell()
    start = file.read(len(ZIP_START))
    file.seek(position)
    return start == ZIP_START


def check_zip_members(file: Path | BinaryIO, name: str) -> None:
    """Compare every member of a zip checkpoint with its CRC, which torch doesn't.

    The file is read once more, in pieces of 1 MiB: about 0.2 s for 500 MB that the
    system has in memory, as it has afterwards for torch.

    Args:
        file: A path, or a file open for reading; its position is kept.
        name: What to call the file in an error.

    Raises:
        UserError: If the zip is damaged; names the file and the member.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("net/data/0", "weights")
        >>> check_zip_members(file, "a.pth")
        >>> damaged = io.BytesIO(file.getvalue().replace(b"weights", b"weighty"))
        >>> check_zip_members(damaged, "a.pth")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: checkpoint a.pth is damaged: its part net/data/0
        is not what was written (Bad CRC-32 for file 'net/data/0'). Copy ...
    """
    position = 0 if isinstance(file, Path) else file.tell()
    member = "list of parts"
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                # torch.serialization.set_crc32_options(False) writes none.
                if entry.CRC == 0:
                    continue
                member = entry.filename
                with archive.open(entry) as content:
                    while content.read(CHUNK):
                        pass
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        reason = str(error).strip() or type(error).__name__
        raise UserError(
            f"checkpoint {name} is damaged: its part {member} is not what was written "
            f"({reason}). Copy or download it again"
        ) from error
    finally:
        if not isinstance(file, Path):
            file.seek(position)


def name_digest(name: str | os.PathLike[str]) -> str | None:
    """Return the beginning of the SHA-256 that a file's name promises.

    Args:
        name: A file's name or URL.

    Returns:
        8 to 64 hexadecimal digits; None if the name promises none. Eight digits
        that read as a date are no digest.

    Examples:
        >>> name_digest("resnet101-63fe2227.pth"), name_digest("net-20220316.pth")
        ('63fe2227', None)
    """
    found = DIGEST.search(os.fspath(name))
    if found is None or DATE.fullmatch(found["digest"]):
        return None
    return found["digest"]


def refuse_wrong_digest(file: Path, digest: str | None) -> None:
    """Compare a file with the beginning of its SHA-256.

    Args:
        file: The file.
        digest: Of :func:`name_digest`; None compares nothing.

    Raises:
        UserError: If the file is another one.
    """
    if digest is None:
        return
    sha256 = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(CHUNK):
            sha256.update(piece)
    found = sha256.hexdigest()
    if not found.startswith(digest):
        raise UserError(
            f"checkpoint {file} is damaged or another file: its SHA-256 begins with "
            f"{found[: len(digest)]}, its name promises {digest}. Remove it, so that "
            f"it is fetched again; a file that you trust as it is can be given by its "
            f"path"
        )
