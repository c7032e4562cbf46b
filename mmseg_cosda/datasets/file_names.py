"""Which files of a folder are meant, by their names alone."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mmengine.logging import print_log

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
"""What a dataset reads as images where nothing else is said, in any case."""

PICTURE_TYPES = frozenset(
    [
        ".avif",
        ".bmp",
        ".dng",
        ".gif",
        ".heic",
        ".heif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tga",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""Extensions of pictures: one that a dataset leaves unread is worth a warning."""

_STRAY = frozenset(
    [
        "#recycle",
        "#snapshot",
        "@recycle",
        "$recycle.bin",
        "@eadir",
        "__macosx",
        "__pycache__",
        "desktop.ini",
        "ehthumbs.db",
        "icon\r",
        "lost+found",
        "thumbs.db",
    ]
) | {"system volume information"}

# `_gtFine_labelTrainIds`, `_labelTrainIds`, `_gt_labelColor`, `_color`, ...
_COMPANION = re.compile(
    r"[._-](?:gt(?:fine|coarse)?_)?(?:label_?(?:train_?)?ids?(?:16)?|train_?ids?"
    r"|(?:label|train|inv)_?colou?rs?|colou?r(?:ed|_?mask)?|inv_?(?:ids?|gray)"
    r"|instance(?:_?train)?_?ids?|polygons|panoptic|overlay|vis)$",
    re.IGNORECASE,
)
_COMPANION_OF_IMAGE = re.compile(
    r"[._-](?:gt|ground_?truth|labels?|masks?|seg(?:mentation)?|annotations?)$",
    re.IGNORECASE,
)


def read_suffixes(suffixes: str | Sequence[str], key: str) -> tuple[str, ...]:
    """Return how file names end.

    Args:
        suffixes: One suffix or several, with or without the dot of the extension.
        key: The option's name, for the error.

    Returns:
        The suffixes, each with its dot.

    Raises:
        ValueError: If there is none, or one holds no extension.

    Examples:
        >>> read_suffixes(["jpg", "*.png", "_rgb.tif"], "img_suffix")
        ('.jpg', '.png', '_rgb.tif')
    """
    given = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    read = []
    for suffix in given:
        name = suffix.lstrip("*") if isinstance(suffix, str) else ""
        if name.isalnum():
            name = f".{name}"
        if "/" in name or not posixpath.splitext(f"x{name}")[1][1:]:
            raise ValueError(
                f"{key}={suffixes!r}: {suffix!r} is no end of a file name; write the "
                "extension too, such as '.png' or '_labels.png'"
            )
        read.append(name)
    if not read:
        raise ValueError(
            f"{key}={suffixes!r} names no suffix; leave it out or name one"
        )
    return tuple(dict.fromkeys(read))


def by_stem(names: Iterable[str], suffixes: Sequence[str]) -> dict[str, list[str]]:
    """Group the names that end with one of some suffixes, in any case.

    Args:
        names: File names.
        suffixes: How they may end; the longest that fits counts.

    Returns:
        The names by their part before the suffix.

    Examples:
        >>> by_stem(["a.jpg", "b.JPG", "b.txt"], [".jpg"])
        {'a': ['a.jpg'], 'b': ['b.JPG']}
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        suffix = end_of(name, suffixes)
        if suffix:
            groups.setdefault(name[: -len(suffix)], []).append(name)
    return groups


def end_of(name: str, suffixes: Sequence[str]) -> str:
    """Return the longest of some suffixes that a name ends with, or ``""``.

    Examples:
        >>> end_of("a_gt.PNG", [".png", "_gt.png"])
        '_gt.png'
    """
    fits = [s for s in suffixes if name[-len(s) :].lower() == s.lower()]
    return max(fits, key=len, default="")


def is_companion(stem: str, others: Mapping[str, Any], images: bool = False) -> bool:
    """Return whether a file is a known second form of another's label.

    Cityscapes' scripts and those of DAFormer-type code leave ``_labelTrainIds``,
    ``_labelIds``, ``_color``, ``_instanceIds`` beside a label.

    Args:
        stem: The file's name without suffix.
        others: The stems of all images: an image of this name makes the file its label.
        images: Whether the file lies among images; it is a companion then if it
            belongs to another image.

    Examples:
        >>> is_companion("1_labelTrainIds", {"1": "1.png"})
        True
        >>> is_companion("1_color", {"1_color": "1_color.png"})
        False
    """
    match = _COMPANION.search(stem)
    if not images:
        return match is not None and stem not in others
    match = match or _COMPANION_OF_IMAGE.search(stem)
    return match is not None and stem[: match.start()] in others


def some_of(names: Iterable[str]) -> str:
    """Return the first names, for an error.

    Examples:
        >>> some_of("abcd")
        'a, b, c, ...'
    """
    names = list(names)
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown


@lru_cache(maxsize=1024)
def tell_once(text: str, level: int = logging.INFO) -> None:
    """Write a line to the log, unless this process has written it already."""
    print_log(text, logger="current", level=level)


def stray_kind(name: str) -> str | None:
    """Return what file managers and notebooks have left a file or folder for, or None.

    Examples:
        >>> stray_kind("._a.png"), stray_kind("Thumbs.db"), stray_kind("a.png")
        ('._*', 'Thumbs.db', None)
    """
    if name.startswith("._"):
        return "._*"
    if name.startswith(".") and posixpath.splitext(name)[1].lower() in PICTURE_TYPES:
        return ".*"
    if name.startswith(".") or name.lower() in _STRAY:
        return name.strip()
    return None
