"""The pictures that a command names: a file, a folder, a pattern."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.image_names import IMAGE_TYPES


@dataclass(frozen=True)
class Picture:
    """A picture and what its prediction is called.

    Args:
        path: The file.
        name: Its name with sub-folders, ``/`` between them, without the type.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Found:
    """What a command names.

    Args:
        pictures: In the order of their names.
        skipped: Files that are no pictures, by what they are: a type such as
            ".txt", or "hidden".
    """

    pictures: list[Picture]
    skipped: Counter[str]

    def note(self) -> str:
        """Say in a line what was skipped; empty where nothing was.

        Examples:
            >>> Found([], Counter({".txt": 2, "hidden": 1})).note()
            'skipped 3 file(s) that are no pictures: 2 .txt, 1 hidden'
        """
        if not self.skipped:
            return ""
        parts = ", ".join(f"{n} {kind}" for kind, n in self.skipped.most_common())
        total = sum(self.skipped.values())
        return f"skipped {total} file(s) that are no pictures: {parts}"


def find_pictures(arguments: Sequence[str], out: Path) -> Found:
    """Find the pictures of a command and name their predictions.

    The names of a folder's pictures begin below it, those of a pattern below its
    part without ``*``, ``?`` and ``[``, those of files below the folder that all
    files have in common. Folders are looked through to their ends; hidden files
    (``._a.jpg``, ``.ipynb_checkpoints``) and the folder of the predictions are not.

    Args:
        arguments: Files, folders and patterns (``**`` for any folders).
        out: The folder of the predictions.

    Returns:
        At least one picture.

    Raises:
        UserError: If an argument names no picture, or two pictures would share a
            prediction.
    """
    files, pictures, skipped = [], [], Counter[str]()
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.is_file():
            files.append(path)
            continue
        if path.is_dir():
            root, found = path, list(_walk(path, out, skipped))
        elif glob.has_magic(argument):
            root, found = _match(path, out, skipped)
        else:
            raise UserError(
                f"IMAGES {argument} does not exist (looked for from {Path.cwd()})"
            )
        if not found:
            kinds = ", ".join(IMAGE_TYPES)
            raise UserError(f"IMAGES {argument}: no pictures there ({kinds})")
        pictures += [Picture(file, _name(file, root)) for file in found]
    pictures += _named_files(files)
    return Found(_without_clashes(pictures), skipped)


def _named_files(files: Sequence[Path]) -> list[Picture]:
    if not files:
        return []
    root = Path(os.path.commonpath([os.path.abspath(file.parent) for file in files]))
    return [Picture(file, _name(Path(os.path.abspath(file)), root)) for file in files]


def _match(pattern: Path, out: Path, skipped: Counter[str]) -> tuple[Path, list[Path]]:
    """Return the part of a pattern that is fixed, and the pictures it matches."""
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    found: dict[Path, None] = {}
    own = Path(os.path.realpath(out))
    seen: set[str] = set()
    # The shortest way to a folder first, where links lead to it in several.
    for path in sorted(_expand(pattern), key=_by_depth):
        if Path(os.path.realpath(path)).is_relative_to(own):
            continue
        if path.is_dir():
            found.update(dict.fromkeys(_walk(path, out, skipped, seen)))
        elif path not in found and _is_picture(path, skipped):
            found[path] = None
    once: dict[tuple[str, str], Path] = {}
    for path in sorted(found, key=_by_depth):
        once.setdefault((os.path.realpath(path.parent), path.name), path)
    return Path(*fixed), sorted(once.values())


def _by_depth(path: Path) -> tuple[int, Path]:
    return len(path.parts), path


def _expand(pattern: Path) -> Iterator[Path]:
    """Yield what a pattern matches; ``**`` enters each folder once.

    The library's ``glob`` follows links that lead in circles in all their ways, which
    are billions.
    """
    parts = pattern.parts
    if "**" not in parts:
        yield from map(Path, glob.glob(str(pattern)))
        return
    start = parts.index("**")
    rest = parts[start + 1 :]
    for base in glob.glob(str(Path(*parts[:start]))):
        if not rest:
            yield Path(base)
            continue
        for folder in _folders(base, set()):
            yield from _expand(Path(glob.escape(folder), *rest))


def _folders(top: str | Path, seen: set[str]) -> Iterator[str]:
    """Yield a folder and those below it, none twice; hidden ones are left out."""
    for here, folders, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield here


def _walk(
    folder: Path, out: Path, skipped: Counter[str], seen: set[str] | None = None
) -> Iterator[Path]:
    """Yield the pictures below a folder; a loop of symbolic links ends."""
    seen = set() if seen is None else seen
    seen.add(os.path.realpath(out))
    for here in _folders(folder, seen):
        for file in sorted(os.listdir(here)):
            path = Path(here, file)
            if not path.is_dir() and _is_picture(path, skipped):
                yield path


def _is_picture(path: Path, skipped: Counter[str]) -> bool:
    if path.name.startswith("."):
        skipped["hidden"] += 1
    elif path.suffix.lower() not in IMAGE_TYPES:
        skipped[path.suffix or path.name] += 1
    else:
        return True
    return False


def _name(path: Path, root: Path) -> str:
    return PurePath(os.path.relpath(path, root)).with_suffix("").as_posix()


def _without_clashes(pictures: Sequence[Picture]) -> list[Picture]:
    owner: dict[str, Picture] = {}
    for picture in pictures:
        other = owner.setdefault(picture.name, picture)
        if os.path.abspath(other.path) != os.path.abspath(picture.path):
            raise UserError(
                f"images {other.path} and {picture.path} would share the prediction "
                f"{picture.name}.png: rename one, or predict them into two folders"
            )
    return [owner[name] for name in sorted(owner)]
