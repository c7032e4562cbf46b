"""The EXIF orientation of images: how cameras say which side is up."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmseg_cosda.errors import UserError

Pixels = npt.NDArray[Any]
_TAG = 0x0112
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_orientation(content: bytes) -> int:
    """Return the orientation tag of an image file.

    Looks at the file's header alone; no pixel is decoded.

    Args:
        content: The file's bytes.

    Returns:
        1 (as stored) to 8; 1 where the file says nothing, or nothing valid.
    """
    if not _may_have_tag(content):
        return 1
    try:
        with Image.open(io.BytesIO(content)) as image:
            value = image.getexif().get(_TAG, 1)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _may_have_tag(content: bytes) -> bool:
    """Return whether PIL is worth asking: it decodes a PNG to look for the tag."""
    head = content[:12]
    if head.startswith(b"\xff\xd8"):
        return b"Exif\0\0" in content[: 2**18]
    if head.startswith(b"\x89PNG"):
        return any(
            kind == b"eXIf" or (kind in (b"tEXt", b"zTXt", b"iTXt") and exif)
            for kind, exif in _png_chunks(content)
        )
    if head.startswith(b"RIFF"):
        return b"EXIF" in content
    return head.startswith(_TIFF)


def _png_chunks(content: bytes) -> list[tuple[bytes, bool]]:
    """Return a PNG's chunks: kind, and whether its text is named like EXIF."""
    found, start = [], 8
    while start + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        text = content[start + 8 : start + 40]
        found.append((kind, b"exif" in text.lower() or b"APP1" in text))
        start += length + 12
    return found


def show(image: Pixels, orientation: int) -> Pixels:
    """Turn pixels as stored to the picture that viewers show.

    Args:
        image: (H, W) or (H, W, channels), as stored.
        orientation: The tag.

    Returns:
        The same pixels; height and width change places for 5 to 8.

    Examples:
        >>> show(np.array([[1, 2], [3, 4]]), 6).tolist()  # a quarter turn clockwise
        [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def store(image: Pixels, orientation: int) -> Pixels:
    """Turn a picture as viewers show it back to the pixels as stored.

    Examples:
        >>> store(np.array([[3, 1], [4, 2]]), 6).tolist()
        [[1, 2], [3, 4]]
    """
    return show(image, {6: 8, 8: 6}.get(orientation, orientation))


def require_known_orientation(results: Mapping[str, Any]) -> None:
    """Refuse a label of an image that is turned by EXIF, unless it is said how.

    An annotation tool may have shown the image upright or as stored, and nothing in
    the files tells; after 180 degrees not even the sizes do.

    Args:
        results: The sample; ``exif_orientation`` is there if the tag isn't 1.

    Raises:
        UserError: With the file and the two answers.
    """
    tag = results.get("exif_orientation", 1)
    if tag == 1 or results.get("orientation") is not None:
        return
    raise UserError(
        f"{results.get('img_path')}: its EXIF orientation is {tag}, so that viewers "
        f"turn it, and it has a label ({results.get('seg_map_path')}); nothing in the "
        "files tells whether the label fits the turned picture or the pixels as "
        'stored: lay one over the other, then say orientation="shown" or '
        'orientation="stored" in this dataset, or in dict(type="LoadImageFromFile")'
    )
