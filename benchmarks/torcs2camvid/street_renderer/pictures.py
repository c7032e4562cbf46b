"""Reading and trimming the pictures of TORCS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.torcs2camvid.street_renderer.art_files import ArtFile
from mmseg_cosda.errors import UserError


def read_picture(path: Path) -> Image.Image:
    """Read a PNG or SGI (``.rgb``) picture as RGBA."""
    try:
        with Image.open(path) as picture:
            return picture.convert("RGBA")
    except OSError as error:
        raise UserError(f"{path} is not a readable picture: {error}") from error


def cropped(picture: Image.Image, file: ArtFile) -> Image.Image:
    """Return the part of a picture that is used, not wider than wanted."""
    width, height = picture.size
    if (file.top, file.bottom) != (0.0, 1.0):
        picture = picture.crop(
            (0, int(height * file.top), width, int(height * file.bottom))
        )
    if file.max_width is not None and width > file.max_width:
        size = (file.max_width, int(file.max_width * picture.size[1] / width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


def trimmed(picture: Image.Image, opaque: int = 60) -> Image.Image:
    """Cut off the transparent border (alpha at most ``opaque``)."""
    rows, columns = np.nonzero(np.array(picture)[..., 3] > opaque)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return picture.crop(tuple(int(edge) for edge in box))
