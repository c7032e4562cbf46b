"""What training's reader of images loses of a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import Compose
from mmseg.registry import TRANSFORMS
from PIL import Image

Pixels = npt.NDArray[Any]

# Derived from LoadImageFromFile, but what they read is no picture file.
OTHER_LOADERS = ("LoadImageFromNDArray", "LoadImageFromNpyFile")

SOFT = 0.05
"""A fourth band whose values lie between its ends in a smaller share of the pixels is
a mask with soft edges, no measurement."""


def picture_reader(dataset: Any) -> Any | None:
    """Return the transform with which a dataset's pipeline reads picture files.

    Args:
        dataset: A dataset; one that wraps others has no pipeline of its own.

    Returns:
        The first of them; None where there is none, or where the images are another
        file backend's (``demo-streets://...``), which that transform alone can read.
    """
    pipeline = getattr(dataset, "pipeline", None)
    folder = str((getattr(dataset, "data_prefix", None) or {}).get("img_path") or "")
    if not isinstance(pipeline, Compose) or "://" in folder:
        return None
    others = tuple(filter(None, map(TRANSFORMS.get, OTHER_LOADERS)))
    for transform in pipeline.transforms:
        if isinstance(transform, LoadImageFromFile) and not isinstance(
            transform, others
        ):
            return transform
    return None


def lost_by(reader: Any, info: Mapping[str, Any]) -> str | None:
    """Say what a reader loses of the image that a dataset's entry names.

    Args:
        reader: Of :func:`picture_reader`.
        info: The entry, with ``img_path``.

    Returns:
        As :func:`lost_information`; None for an image that is no local file, too.
    """
    path = Path(str(info["img_path"]))
    content = path.read_bytes() if path.is_file() else b""
    if not content or keeps_all(content):
        return None
    results = reader(dict(info))
    return results and lost_information(str(path), content, results["img"])


def lost_information(path: str, content: bytes, image: Pixels) -> str | None:
    """Say what of an image file didn't reach training.

    Compares the file with the image that training's reader made of it, so that a
    reader which keeps everything is never blamed. Eight-bit images without a fourth
    band are told by their header; others are decoded once more.

    Args:
        path: The file's name.
        content: Its bytes.
        image: (H, W) or (H, W, channels), as training read it, at any size.

    Returns:
        One line with the file, what is lost and the cure; None where nothing is.
    """
    if keeps_all(content):
        return None
    raw = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        return None
    found = _pages(content), _depth(raw, image), _fourth_band(raw, image)
    lost = [text for text in found if text]
    return f"{path}: {'; '.join(lost)}" if lost else None


def keeps_all(content: bytes) -> bool:
    """Return whether an image file has three bands of eight bits at most."""
    if content.startswith(b"\x89PNG") and len(content) > 25:
        bits, kind = content[24], content[25]  # of IHDR; kinds 4 and 6 have alpha
        return bits <= 8 and kind not in (4, 6)
    return content.startswith((b"\xff\xd8", b"GIF8", b"BM"))


def _depth(raw: Pixels, image: Pixels) -> str | None:
    if raw.dtype == np.uint8 or image.dtype.itemsize >= raw.dtype.itemsize:
        return None
    low, high = raw.min(), raw.max()
    cure = (
        "convert the images to 8 bits with one stretch for both domains, such as from "
        "the 2nd to the 98th percentile of all images"
    )
    if raw.dtype != np.uint16:
        return (
            f"holds {raw.dtype} values from {low:g} to {high:g}, but training reads 8 "
            f"bits; {cure}"
        )
    if not (raw % 257).any() or not (raw % 256).any():
        return None  # eight bits, widened
    before, after = (len(np.unique(values)) for values in (raw, raw >> 8))
    return (
        f"holds 16-bit values from {low} to {high}, of which training reads the upper "
        f"8 bits: {before} values become {after}; {cure}"
    )


def _fourth_band(raw: Pixels, image: Pixels) -> str | None:
    if raw.ndim != 3 or raw.shape[2] != 4 or (image.ndim == 3 and image.shape[2] > 3):
        return None
    band = raw[..., 3]
    between = (band > band.min()) & (band < band.max())
    if between.mean() <= SOFT:
        return None
    return (
        f"its fourth band (alpha, or infrared?) holds {len(np.unique(band))} values "
        "and isn't read by training; write the three bands that are to be trained as "
        "an RGB image"
    )


def _pages(content: bytes) -> str | None:
    if content[:2] not in (b"II", b"MM"):
        return None
    try:
        with Image.open(io.BytesIO(content)) as image:
            pages = int(getattr(image, "n_frames", 1))
    except (OSError, SyntaxError, ValueError):
        return None
    if pages == 1:
        return None
    return (
        f"holds {pages} pages, of which training reads the first; write the bands that "
        "are to be trained as one RGB image"
    )
