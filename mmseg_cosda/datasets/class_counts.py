"""How many pixels of each class the images of a dataset hold: a table and its file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write

Int64 = npt.NDArray[np.int64]

DEFAULT_FOLDER = Path("work_dirs", "class_counts")


@dataclass(frozen=True)
class ClassCounts:
    """Pixels of each class in each image, in the dataset's order.

    Args:
        identity: Of the dataset that was counted, see ``loaded_labels``.
        classes: Its class names.
        names: Its images' names, those that have been counted: a prefix of all while
            counting is under way.
        sizes: (N,) int64 pixels of each label, ignored ones included.
        pixels: (N, C) int64 pixels of each class.
    """

    identity: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    sizes: Int64
    pixels: Int64

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """(N, C) share of an image's pixels that a class has."""
        return self.pixels / np.maximum(self.sizes, 1)[:, None]

    def extended(
        self, names: Sequence[str], rows: Sequence[tuple[int, Int64]]
    ) -> ClassCounts:
        """Return the counts with those of the next images.

        Args:
            names: The images' names.
            rows: All pixels and the pixels of each class, (C,), of each image.
        """
        sizes = np.array([size for size, _ in rows], np.int64)
        pixels = np.array([row for _, row in rows], np.int64)
        return ClassCounts(
            self.identity,
            self.classes,
            (*self.names, *names),
            np.concatenate([self.sizes, sizes]),
            np.concatenate([self.pixels, pixels.reshape(-1, len(self.classes))]),
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, a line per image; it is whole or not there.

        Args:
            path: The file.

        Raises:
            UserError: If it can't be written.
        """
        head = {"identity": self.identity, "classes": list(self.classes)}
        lines = []
        for name, size, row in zip(self.names, self.sizes, self.pixels, strict=True):
            present = {str(c): int(row[c]) for c in row.nonzero()[0]}
            lines.append(json.dumps([name, int(size), present]))
        text = f'{json.dumps(head)[:-1]}, "images": [\n' + ",\n".join(lines) + "\n]}\n"
        try:
            with atomic_write(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise UserError(
                f"class_counts={os.fspath(path)!r}: cannot write there "
                f"({error.strerror}); name another file"
            ) from error

    @classmethod
    def empty(cls, identity: str, classes: Sequence[str]) -> ClassCounts:
        """Return the counts of a dataset before its first image.

        Args:
            identity: Of the dataset.
            classes: Its class names.
        """
        none = np.zeros((0, len(classes)), np.int64)
        return cls(identity, tuple(classes), (), none[:, 0], none)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ClassCounts:
        """Read a file that :meth:`write` has written.

        Args:
            path: The file.

        Raises:
            UserError: If it holds anything else.
        """
        try:
            found = json.loads(Path(path).read_text("utf-8"))
            classes = tuple(map(str, found["classes"]))
            pixels = np.zeros((len(found["images"]), len(classes)), np.int64)
            for row, (_, _, counts) in zip(pixels, found["images"], strict=True):
                row[[int(c) for c in counts]] = list(counts.values())
            sizes = np.array([size for _, size, _ in found["images"]], np.int64)
            names = tuple(str(name) for name, _, _ in found["images"])
            return cls(str(found["identity"]), classes, names, sizes, pixels)
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise UserError(
                f"class_counts={os.fspath(path)!r} is no file of count_classes "
                f"({error}); remove it, and it is written anew"
            ) from error


def default_path(dataset: Any, identity: str) -> Path:
    """Return where the counts of a dataset are, if nothing names a file.

    Args:
        dataset: The dataset.
        identity: Its ``dataset_identity``, so that no file is another dataset's.
    """
    return DEFAULT_FOLDER / f"{type(dataset).__name__}_{identity[:12]}.json"
