"""Images and labels of a dataset's folders, put together by name."""

from __future__ import annotations

import logging
import os.path as osp
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmseg_cosda.datasets.file_names import (
    PICTURE_TYPES,
    by_stem,
    end_of,
    is_companion,
    tell_once,
)
from mmseg_cosda.datasets.folder_listing import LOST_LINKS, list_files

Files = dict[str, list[str]]
"""File names by stem, relative to their folder."""

_BESIDE = "labels beside their images"
_SECOND = "other forms of the same labels (labelTrainIds, color, ...)"


@dataclass
class Found:
    """The files of a dataset's folders.

    Args:
        images: The images.
        labels: The labels; empty for an unlabelled dataset.
        image_names: All that the image folder holds.
        label_names: All that the label folder holds.
        skipped: What was left out of the image folder, by kind.
        skipped_labels: The same of the label folder.
        unread: Whether pictures are left out, not just what nobody misses.
    """

    images: Files
    labels: Files = field(default_factory=dict)
    image_names: Sequence[str] = ()
    label_names: Sequence[str] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_labels: Counter[str] = field(default_factory=Counter)
    unread: bool = False


def find_files(
    image_dir: str,
    label_dir: str | None,
    img_suffixes: Sequence[str],
    seg_map_suffixes: Sequence[str],
    backend_args: Mapping[str, Any] | None = None,
) -> Found:
    """List the images and labels of two folders, which may be one or nested.

    Args:
        image_dir: The folder of the images.
        label_dir: The folder of the labels; None for an unlabelled dataset.
        img_suffixes: How images end, in any case.
        seg_map_suffixes: How labels end. In one folder the longer suffix decides; a
            label where both are equal.
        backend_args: The host's file backend.

    Returns:
        The files.
    """
    listing = list_files(image_dir, backend_args)
    names, skipped = listing.names, listing.skipped
    labels, label_names = Files(), tuple[str, ...]()
    skipped_labels = Counter[str]()
    if label_dir is not None:
        same = _real(label_dir) == _real(image_dir)
        label_listing = listing if same else list_files(label_dir, backend_args)
        label_names = _outside(label_listing.names, label_dir, image_dir)
        names = _outside(names, image_dir, label_dir)
        if same:
            is_label = {
                name: bool(end := end_of(name, seg_map_suffixes))
                and len(end) >= len(end_of(name, img_suffixes))
                for name in names
            }
            names = tuple(name for name in names if not is_label[name])
            label_names = tuple(name for name in label_names if is_label[name])
        else:
            skipped_labels = label_listing.skipped
        labels = by_stem(label_names, seg_map_suffixes)
    images = by_stem(names, img_suffixes)
    found = Found(images, labels, names, label_names, skipped, skipped_labels)
    _drop_companions(found)
    _count_unread(found, names, img_suffixes)
    return found


def one_file_each(files: Files, folder: str, key: str) -> dict[str, str]:
    """Return the file of each stem.

    Args:
        files: Files by stem.
        folder: Their folder, for the error.
        key: The option that chooses among suffixes.

    Returns:
        One file name per stem.

    Raises:
        ValueError: If two files share a stem.

    Examples:
        >>> one_file_each({"a": ["a.jpg"]}, "images", "img_suffix")
        {'a': 'a.jpg'}
    """
    for stem, names in files.items():
        if len(names) > 1:
            count = sum(len(names) > 1 for names in files.values())
            raise ValueError(
                f"{folder}: {names[0]} and {names[1]} are both read for {stem!r} "
                f"({count} such names): which one is meant? Choose it by {key}, "
                f"such as {key}={posixpath.splitext(names[0])[1]!r}, or name the other "
                "in the dataset's `exclude`"
            )
    return {stem: names[0] for stem, names in files.items()}


def leave_out(
    parts: Iterable[tuple[Files, str]], root: str, exclude: frozenset[str]
) -> set[str]:
    """Remove what a dataset's ``exclude`` names.

    Args:
        parts: Images and labels, changed in place, each with its folder.
        root: What names may be relative to, besides the folder.
        exclude: Stems, which remove image and label; or file names, which do so too
            unless another file has the same stem.

    Returns:
        The names in ``exclude`` that were found.
    """
    parts = list(parts)
    known: set[str] = set()
    stems: set[str] = set()
    for files, folder in parts if exclude else ():
        below = osp.relpath(folder, root).replace("\\", "/")
        for stem, names in files.items():
            if stem in exclude:
                known.add(stem)
                stems.add(stem)
            for name in tuple(names):
                forms = {name, posixpath.normpath(posixpath.join(below, name))}
                known |= forms & exclude
                if forms & exclude and len(names) > 1:
                    names.remove(name)
                elif forms & exclude:
                    stems.add(stem)
    for files, _ in parts:
        for stem in stems & files.keys():
            del files[stem]
    return known


def suffix_hint(names: Sequence[str], stem: str | None, key: str) -> str:
    """Return a word about a file of another suffix, for an error.

    Args:
        names: What the folder holds.
        stem: The name that lacks a file; None if there is none.
        key: The option that chooses among suffixes.

    Examples:
        >>> suffix_hint(["1.tif", "2.jpg"], "1", "img_suffix")
        "1.tif is there: does img_suffix lack '.tif'? Else "
    """
    rests = [n[len(stem) :] for n in names if stem and n.startswith(stem)]
    rests = [rest for rest in rests if rest and not rest[0].isalnum()]
    if not rests:
        return ""
    return f"{stem}{rests[0]} is there: does {key} lack {rests[0]!r}? Else "


def tell_skipped(found: Found, where: str, labelled: bool) -> None:
    """Write to the log, once, what the folders hold that isn't read.

    Args:
        found: The files.
        where: The dataset and its folder.
        labelled: Whether each image must have a label, which would show a mistake.
    """
    files = [name for names in found.images.values() for name in names]
    kinds = Counter(posixpath.splitext(name)[1] for name in files)
    notes = []
    if found.skipped:
        notes.append(f"skipped {_counts(found.skipped)}")
    if found.skipped_labels:
        notes.append(f"beside the labels skipped {_counts(found.skipped_labels)}")
    if notes or (len(kinds) > 1 and not labelled):
        read = f"{len(files)} images ({_counts(kinds)})"
        level = logging.WARNING if found.unread else logging.INFO
        cure = "; img_suffix chooses what is read" if found.unread else ""
        tell_once(f"{where}: {'; '.join([read, *notes])}{cure}", level)


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _drop_companions(found: Found) -> None:
    for stem in [s for s in found.images if is_companion(s, found.images, True)]:
        if stem not in found.labels:
            found.skipped[_BESIDE] += len(found.images.pop(stem))
    for stem in [s for s in found.labels if is_companion(s, found.images)]:
        found.skipped_labels[_SECOND] += len(found.labels.pop(stem))


def _count_unread(
    found: Found, names: Sequence[str], img_suffixes: Sequence[str]
) -> None:
    for name in names:
        if not end_of(name, img_suffixes):
            stem, kind = posixpath.splitext(name)
            if is_companion(stem, found.images, images=True):
                kind = _BESIDE
            elif kind.lower() in PICTURE_TYPES:
                found.unread = True
            found.skipped[kind or "without suffix"] += 1
    found.unread |= found.skipped[LOST_LINKS] > 0


def _real(folder: str) -> str:
    return osp.realpath(folder or ".")


def _outside(names: tuple[str, ...], folder: str, other: str) -> tuple[str, ...]:
    """Leave out the files of another folder that lies in this one."""
    below = osp.relpath(_real(other), _real(folder)).replace("\\", "/")
    if below == "." or below.startswith(".."):
        return names
    return tuple(name for name in names if not name.startswith(f"{below}/"))
