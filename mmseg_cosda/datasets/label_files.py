"""The one reader of label files: it sees what a file holds before any cast."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.errors import UserError

Ids = npt.NDArray[Any]
Size = tuple[int, int]

_CORRUPT = (
    "{path}: cannot be read as a label image ({reason}); download it again or list it "
    "in the dataset's `exclude`"
)
_INDEX_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I")
_SHOWN = 5
_UNREADABLE = (
    OSError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


class CorruptLabelError(UserError):
    """A label file that cannot be decoded."""


def read_label_file(
    path: str,
    content: bytes,
    reader: Literal["index", "red", "color"] = "index",
    backend: str = "pillow",
) -> Ids:
    """Decode a label file to the ids that it holds, at the file's own depth.

    Palette files give the palette's index, one-bit files 0 and 1, gray files of two
    or four bits 0 to 3 or 15 (most decoders stretch them to 0 to 255).

    Args:
        path: The file's name, for errors.
        content: The file's bytes.
        reader: ``"index"``: one channel or a palette; ``"red"``: the red channel
            of a file with several; ``"color"``: the color, as the number 0xRRGGBB.
        backend: ``"tifffile"`` decodes with that package, as the host's
            ``imdecode_backend``; every other name reads the true values with PIL.

    Returns:
        (H, W) uint8, uint16 or int32.

    Raises:
        CorruptLabelError: If the file is empty, cut off or no image.
        ValueError: If it holds no ids: several channels without a color table,
            floating point, or a lossy format.

    Examples:
        >>> file = io.BytesIO()
        >>> Image.fromarray(np.array([[False, True]])).save(file, "PNG")
        >>> read_label_file("mask.png", file.getvalue())
        array([[0, 1]], dtype=uint8)
    """
    if reader == "red":
        return _read_red(path, content)
    if backend == "tifffile":
        return _checked_ids(path, _read_tifffile(path, content))
    try:
        with Image.open(io.BytesIO(content)) as image:
            _refuse_lossy(path, content, image)
            if reader == "color":
                return _color_codes(path, image)
            if image.mode in _INDEX_MODES:
                ids, factor = _narrow(np.array(image)), _stretch(content, image)
                return ids if factor == 1 else ids // np.uint8(factor)
            raw = np.asarray(image)
    except _UNREADABLE as error:
        other = _read_other_tiff(content, error)
        if other is None:
            reason = "0 bytes" if not content else str(error)
            if isinstance(error, UnidentifiedImageError):
                reason = reason if not content else "it is no image that PIL knows"
            raise CorruptLabelError(
                _CORRUPT.format(path=path, reason=reason)
            ) from error
        raw = other
    return _checked_ids(path, raw)


def check_label_ids(
    labels: Ids,
    num_classes: int,
    ignore_index: int | Collection[int] = IGNORE_INDEX,
    path: str | None = None,
) -> None:
    """Refuse labels that are neither a class nor ignored.

    Without this check such a label dies inside the loss, on a GPU without a word
    about the file, or is left out of the evaluation without a word. Two
    comparisons per pixel; reads only.

    Args:
        labels: Labels of any integer type and shape.
        num_classes: Labels are 0 to ``num_classes - 1``.
        ignore_index: The label, or labels, of ignored pixels.
        path: The label file's name, for the error.

    Raises:
        ValueError: With the file, the wrong labels, the classes and the cure.

    Examples:
        >>> check_label_ids(np.array([[0, 2, 255]]), num_classes=3)
        >>> check_label_ids(np.array([[1, 3]]), num_classes=3, path="a.png")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: a.png: holds the labels [3], but ...
    """
    ignored = (
        [ignore_index] if isinstance(ignore_index, int) else sorted(set(ignore_index))
    )
    wrong = labels >= num_classes
    if np.issubdtype(labels.dtype, np.signedinteger):
        wrong |= labels < 0
    for index in ignored:
        wrong &= labels != index
    if not wrong.any():
        return
    found = np.unique(labels[wrong]).tolist()
    shown = f"[{', '.join(map(str, found[:8]))}{', ...' if len(found) > 8 else ''}]"
    raise UserError(
        f"{path}: holds the labels {shown}, but there are {num_classes} classes "
        f"(0 to {num_classes - 1}, and {' and '.join(map(str, ignored))} to ignore); "
        f"{_range_hint(labels, found, num_classes, ignored)}"
        "check that the folder holds this dataset's labels, or list the file in the "
        "dataset's `exclude`"
    )


def _range_hint(
    labels: Ids, wrong: Sequence[int], num_classes: int, ignored: Collection[int]
) -> str:
    if list(wrong) != [num_classes]:
        return "other ids are mapped with id_map={id: class}; "
    ids = [i for i in np.unique(labels).tolist() if i not in ignored]
    span = f"{ids[0]}" if ids[0] == ids[-1] else f"{ids[0]}..{ids[-1]}"
    return (
        f"ids {span} for {num_classes} classes: is 0 unlabelled? Then "
        "reduce_zero_label=True in this dataset, or id_map={id: class}; "
    )


def check_label_size(
    path: str, label_size: Size, image_path: str, image_size: Size
) -> None:
    """Refuse a label that has another size than its image.

    Args:
        path: The label file's name.
        label_size: (height, width) of the label, in pixels.
        image_path: The image file's name.
        image_size: (height, width) of the image as read, in pixels.

    Raises:
        ValueError: If they differ, with both files and sizes.

    Examples:
        >>> check_label_size("a.png", (64, 96), "a.jpg", (64, 96))
    """
    if tuple(label_size) == tuple(image_size):
        return
    raise UserError(
        f"{path}: the label is {label_size[1]}x{label_size[0]} pixels, its image "
        f"{image_path} {image_size[1]}x{image_size[0]}; labels belong to images of "
        "the same size: mend the files, or, where both show the same scene (resized "
        "or translated images), say same_size=False in the dataset, or in "
        'dict(type="LoadAnnotations")'
    )


def fit_to_bytes(path: str, ids: Ids) -> npt.NDArray[np.uint8]:
    """Return ids as the uint8 that training takes.

    Args:
        path: The file's name, for errors.
        ids: (H, W) integers.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: If ids don't fit into 8 bits.
    """
    if ids.dtype == np.uint8:
        return ids
    if ids.size and (ids.max() > IGNORE_INDEX or ids.min() < 0):
        found = np.unique(ids)
        wrong = found[(found > IGNORE_INDEX) | (found < 0)].tolist()
        examples = ", ".join(map(str, wrong[:_SHOWN]))
        entries = ", ".join(f"{id_}: {i}" for i, id_ in enumerate(found[:3].tolist()))
        raise UserError(
            f"{path}: holds {8 * ids.dtype.itemsize}-bit ids up to {found[-1]} "
            f"([{examples}{', ...' if len(wrong) > _SHOWN else ''}]), but labels go "
            f"from 0 to {IGNORE_INDEX}; name the class of each id: "
            f"id_map={{{entries}, ...}} (dataset or LoadAnnotations), "
            f"{IGNORE_INDEX} for ids to ignore"
        )
    return ids.astype(np.uint8)


def _narrow(raw: Ids) -> Ids:
    """Return PIL's array as integers of the file's depth."""
    if raw.dtype == np.bool_:
        return raw.astype(np.uint8)
    return raw.astype(raw.dtype.newbyteorder("="), copy=False)


def _stretch(content: bytes, image: Any) -> int:
    """Return the factor by which PIL stretches gray files of 2 and 4 bits."""
    bits = 8
    if image.format == "PNG" and image.mode == "L":
        bits = content[24]  # IHDR's bit depth
    elif image.format == "TIFF" and image.mode == "L":
        bits = image.tag_v2.get(258, (8,))[0]
    return {2: 85, 4: 17}.get(bits, 1)


def _refuse_lossy(path: str, content: bytes, image: Any) -> None:
    kind = image.format
    if kind == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        kind = "JPEG-compressed TIFF"
    lossy = kind in ("JPEG", "MPO", "AVIF", "JPEG-compressed TIFF")
    lossy |= kind == "WEBP" and b"VP8L" not in content[:64]
    lossy |= kind == "JPEG2000" and _irreversible(content)
    if not lossy:
        return
    raise UserError(
        f"{path}: is a {kind} file, a lossy format: near edges it holds ids (or "
        "colors) that nobody drew; export the labels from their source again, as "
        "single-channel PNG"
    )


def _irreversible(content: bytes) -> bool:
    """Return whether a JPEG 2000 file uses the lossy 9-7 wavelet."""
    start = content.find(b"\xff\x52")  # COD: length, Scod, SGcod (4), SPcod
    return start < 0 or content[start + 13 : start + 14] == b"\x00"


def _read_other_tiff(content: bytes, error: Exception) -> Ids | None:
    """Return what OpenCV reads of a TIFF that PIL doesn't know, else None."""
    known = content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    if not known or not isinstance(error, UnidentifiedImageError):
        return None
    raw = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return raw if raw is None or raw.ndim == 2 else raw[..., ::-1]


def _read_tifffile(path: str, content: bytes) -> Ids:
    import mmcv

    try:
        return np.asarray(mmcv.imfrombytes(content, "unchanged", backend="tifffile"))
    except Exception as error:
        # tifffile raises its own kinds, by its version.
        raise CorruptLabelError(_CORRUPT.format(path=path, reason=error)) from error


def _checked_ids(path: str, raw: Ids) -> Ids:
    """Return decoded ids, or say why the array holds none."""
    raw = raw[..., 0] if raw.ndim == 3 and raw.shape[2] == 1 else raw
    if raw.ndim != 2:
        raise UserError(_channels_message(path, raw))
    if raw.dtype.kind not in "iub":
        raise UserError(
            f"{path}: holds floating-point numbers ({raw.dtype}, {raw.min():g} to "
            f"{raw.max():g}), but labels are integer ids; save them as single-channel "
            "PNG of 8 or 16 bits"
        )
    return _narrow(raw)


def _channels_message(path: str, raw: Ids) -> str:
    channels = raw.shape[2] if raw.ndim == 3 else 0
    if channels not in (3, 4):
        held = "two channels, gray and alpha" if channels == 2 else f"shape {raw.shape}"
        return (
            f"{path}: has {held}, but labels have one channel of ids; save that one "
            "as single-channel PNG"
        )
    kind, count = ("RGB", "three") if channels == 3 else ("RGBA", "four")
    rgb = raw[..., :3].reshape(-1, 3)
    colors = [tuple(color) for color in np.unique(rgb[::7], axis=0)[:3].tolist()]
    table = ", ".join(f"{color}: {i}" for i, color in enumerate(colors))
    if (rgb[:, :1] == rgb).all():
        held, cure = "equal ones", "save one of them as single-channel PNG"
    else:
        held, cure = "colors", "a color table is needed: id_map="
        cure += '"palette" (a dataset whose palette has these colors)'
    return (
        f"{path}: is a {kind} image of {count} channels ({held}), but labels have one "
        "channel of ids; if it is a colored copy, take the id files as downloaded; "
        f"else {cure}, or id_map={{{table}, ...}} in the dataset or in LoadAnnotations"
    )


def _color_codes(path: str, image: Any) -> Ids:
    if image.mode not in ("P", "RGB", "RGBA", "PA", "CMYK"):
        raise UserError(
            f"{path}: has one channel ({image.mode}), but its id_map is a color "
            "table; name ids in place of colors: id_map={id: class}"
        )
    rgb = np.asarray(image.convert("RGB")).astype(np.int32)
    return np.asarray(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2])


def _read_red(path: str, content: bytes) -> Ids:
    buffer = np.frombuffer(content, np.uint8)
    raw = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if raw is None:
        raise CorruptLabelError(
            _CORRUPT.format(path=path, reason="OpenCV cannot decode it")
        )
    if raw.ndim != 3 or raw.shape[2] < 3:
        raise UserError(
            f"{path}: has shape {raw.shape}, but its red channel should hold the ids; "
            "use the files of SYNTHIA-RAND-CITYSCAPES' GT/LABELS as downloaded"
        )
    return np.ascontiguousarray(raw[:, :, 2])  # OpenCV's order is B, G, R
