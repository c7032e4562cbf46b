"""The files below a folder, without what others leave behind there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mmengine.fileio as fileio

from mmseg_cosda.datasets.file_names import stray_kind

LOST_LINKS = "links to files that don't exist"


@dataclass(frozen=True)
class Listing:
    """The files of a folder and its sub-folders.

    Args:
        names: Relative to the folder, with forward slashes, sorted.
        skipped: What was left out, by kind.
    """

    names: tuple[str, ...]
    skipped: Counter[str] = field(default_factory=Counter)


def list_files(folder: str, backend_args: Mapping[str, Any] | None = None) -> Listing:
    """List a folder, without what file managers and notebooks leave behind.

    Linked folders are followed; one that leads back, or to a folder that is read
    already, is skipped.

    Args:
        folder: The folder.
        backend_args: The host's file backend.

    Returns:
        Its files.

    Raises:
        ValueError: If a folder may not be read.
    """
    backend = fileio.get_file_backend(folder, backend_args=backend_args)
    if isinstance(backend, fileio.LocalBackend):
        return _walk(folder)
    names, skipped = [], Counter[str]()
    for name in backend.list_dir_or_file(folder, list_dir=False, recursive=True):
        name = name.replace("\\", "/")
        kinds = [kind for part in name.split("/") if (kind := stray_kind(part))]
        skipped.update(kinds[:1])
        names += [] if kinds else [name]
    return Listing(tuple(sorted(names)), skipped)


def _walk(top: str) -> Listing:
    names: list[str] = []
    skipped = Counter[str]()
    seen: set[str] = set()
    folders = [("", top)]  # prefix of names, path
    links: list[tuple[str, str]] = []  # behind all others, which keep their names
    while folders or links:
        is_link = not folders
        prefix, path = links.pop(0) if is_link else folders.pop()
        real = os.path.realpath(path)
        above = (os.path.realpath(top), os.path.realpath(os.path.dirname(path)))
        if real in seen or (is_link and any(_holds(real, other) for other in above)):
            skipped["linked folders that are read already"] += 1
            continue
        seen.add(real)
        for entry in _entries(path):
            kind = stray_kind(entry.name)
            name = prefix + entry.name
            if kind is not None:
                skipped[f"{kind}/" if entry.is_dir() else kind] += 1
            elif os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                found = links if entry.is_symlink() else folders
                found.append((f"{name}/", entry.path))
            elif os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file():
                names.append(name)
            else:
                skipped[LOST_LINKS] += 1
    return Listing(tuple(sorted(names)), skipped)


def _holds(folder: str, path: str) -> bool:
    return f"{path}{os.sep}".startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        raise ValueError(
            f"the folder {path!r} may not be read: change its permissions or move it "
            "out of the dataset's folder"
        ) from error
