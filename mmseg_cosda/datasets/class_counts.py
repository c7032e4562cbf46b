"""How many pixels of each class each image of a dataset holds, counted once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.dataset import Compose

from mmseg_cosda.datasets.check import LABEL_LOADERS
from mmseg_cosda.datasets.label_facts import label_of
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write
from mmseg_cosda.randomness import derived_randomness

Int64 = npt.NDArray[np.int64]

DEFAULT_FOLDER = Path("work_dirs", "class_counts")

# What an entry of a dataset says of the meaning of its label file.
_MEANING = ("label_map", "reduce_zero_label", "id_map", "ignore_index", "pseudo_label")


@dataclass(frozen=True)
class ClassCounts:
    """Pixels of each class in each image, in the dataset's order.

    Args:
        identity: Of the dataset that was counted, :func:`dataset_identity`.
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
    def empty(cls, dataset: Any) -> ClassCounts:
        """Return the counts of a dataset before its first image.

        Args:
            dataset: A dataset of the host or one that wraps some.

        Raises:
            UserError: If it names no classes.
        """
        classes = tuple(dataset.metainfo.get("classes") or ())
        if not classes:
            raise UserError(
                f"{type(dataset).__name__} names no classes to count; give it "
                "metainfo=dict(classes=...)"
            )
        none = np.zeros((0, len(classes)), np.int64)
        return cls(dataset_identity(dataset), classes, (), none[:, 0], none)

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
        identity: Its :func:`dataset_identity`, so that no file is another dataset's.
    """
    return DEFAULT_FOLDER / f"{type(dataset).__name__}_{identity[:12]}.json"


def dataset_identity(dataset: Any) -> str:
    """Return a digest of what the counts of a dataset depend on.

    Names of images and labels, sizes of the label files, the classes and how ids
    become classes; not where the data lies nor when it was written, so that a copy of
    a data set has the same counts.

    Args:
        dataset: A dataset of the host or one that wraps some.

    Returns:
        64 hexadecimal digits.
    """
    classes = list(dataset.metainfo.get("classes") or ())
    digest = hashlib.sha256(repr(classes).encode())
    for index in range(len(dataset)):
        part, inner = find_part(dataset, index)
        info = entry(part, inner)
        label = info.get("seg_map_path")
        size = None
        if label is not None:
            size = os.path.getsize(label) if os.path.isfile(label) else None
            label = _below(part, str(label))
        facts = [image_name(dataset, index), label, size]
        facts += [_content(info.get(key)) for key in _MEANING]
        for loader in _loaders(part)[:1]:
            facts += [_content(getattr(loader, key, None)) for key in _MEANING]
        digest.update(repr(facts).encode())
    return digest.hexdigest()


def image_name(dataset: Any, index: int) -> str:
    """Return an image's name below its dataset's folder.

    Args:
        dataset: The dataset.
        index: The image's.
    """
    part, inner = find_part(dataset, index)
    return _below(part, str(entry(part, inner).get("img_path", f"sample {inner}")))


def count_image(dataset: Any, index: int) -> tuple[int, Int64]:
    """Count the pixels of an image's label, as training loads it.

    Args:
        dataset: The dataset.
        index: The image's.

    Returns:
        All pixels, and the pixels of each class, (C,).

    Raises:
        UserError: If the image has no label.
        ValueError: What the reader of labels says of its file.
    """
    label = _label(*find_part(dataset, index))
    if label is None:
        raise UserError(
            f"{image_name(dataset, index)} has no label, but classes are counted in "
            "labels: give its dataset a data_prefix with seg_map_path and a pipeline "
            'that loads labels (dict(type="LoadAnnotations"))'
        )
    num_classes = len(dataset.metainfo["classes"])
    known = label.ravel()
    if label.dtype != np.uint8:  # as loaders of other projects give them
        known = known[(known >= 0) & (known < num_classes)]
    return label.size, np.bincount(known, minlength=num_classes)[:num_classes]


def find_part(dataset: Any, index: int) -> tuple[Any, int]:
    """Return the dataset, among those that one wraps, that reads an image.

    Args:
        dataset: A dataset, or mmengine's ``ConcatDataset``, ``RepeatDataset``, ....
        index: The image's.

    Returns:
        The inner dataset and the image's index in it.
    """
    if not hasattr(dataset, "_get_ori_dataset_idx"):
        return dataset, index
    found = dataset._get_ori_dataset_idx(index)
    if hasattr(dataset, "datasets"):
        return find_part(dataset.datasets[found[0]], int(found[1]))
    return find_part(dataset.dataset, int(found))


def entry(part: Any, index: int) -> dict[str, Any]:
    """Return what the pipeline of a dataset starts with; nothing if it has none.

    Args:
        part: A dataset that wraps no other.
        index: The image's index in it.
    """
    return dict(part.get_data_info(index)) if hasattr(part, "get_data_info") else {}


def _below(part: Any, path: str) -> str:
    root = getattr(part, "data_root", None)
    return path.removeprefix(str(root)).lstrip("/") if root else path


def _content(option: Any) -> Any:
    """Return an option, or what is in the file that it names."""
    if isinstance(option, str) and os.path.isfile(option):
        return Path(option).read_bytes()
    return option


def _transforms(part: Any) -> list[Any]:
    pipeline = getattr(part, "pipeline", None)
    return list(pipeline.transforms) if isinstance(pipeline, Compose) else []


def _loaders(part: Any) -> list[Any]:
    return [t for t in _transforms(part) if isinstance(t, LABEL_LOADERS)]


def _label(part: Any, index: int) -> npt.NDArray[Any] | None:
    """Return a label as it is loaded, before any augmentation: (H, W) ids."""
    loaders, info = _loaders(part), entry(part, index)
    with derived_randomness(index):
        if loaders and info.get("seg_map_path") is not None:
            label = loaders[0](dict(info, seg_fields=[])).get("gt_seg_map")
            return None if label is None else np.asarray(label)
        for transform in _transforms(part) if info else ():
            info = transform(info)
            if "gt_seg_map" in (info or ()):
                return np.asarray(info["gt_seg_map"])
            if not isinstance(info, dict) or "data_samples" in info:
                break
        # No pipeline that can be taken apart.
        return label_of(part[index])
