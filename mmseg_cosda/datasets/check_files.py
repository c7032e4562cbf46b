"""Reads an image and its label and says what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmseg_cosda.datasets.label_files import CorruptLabelError
from mmseg_cosda.datasets.transforms.check_labels import CheckLabels

Size = tuple[int, int]
NUM_LABELS = 2**8
RATIO_TOLERANCE = 0.02
"""How far the aspect ratios of an image and its label may differ, relatively, where
their sizes may: 1024x564 against GTA5's 1914x1052 is 0.002."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file or a dataset.

    Args:
        kind: ``"missing"``, ``"corrupt"``, ``"mis-sized"``, ``"mis-labelled"``, or
            ``"unusable"`` for a dataset that cannot be listed.
        name: The image's name relative to ``data_root``, to exclude it by; None
            for a problem of the dataset as a whole.
        detail: What is wrong, with the file's path.
    """

    kind: str
    name: str | None
    detail: str


@dataclass(frozen=True)
class FileCheck:
    """What was found in one image and its label.

    Args:
        problems: What is wrong with them.
        image_size: (width, height), or None if it cannot be read.
        counts: (256,) int64 pixels per label, or None without a readable label.
    """

    problems: tuple[Problem, ...]
    image_size: Size | None = None
    counts: npt.NDArray[np.int64] | None = None


def check_files(
    info: dict[str, Any],
    root: str,
    num_classes: int,
    same_size: bool,
    load_labels: Any | None,
) -> FileCheck:
    """Read an image and its label.

    Args:
        info: The dataset's entry, with ``img_path`` and maybe ``seg_map_path``.
        root: What names in the report are relative to.
        num_classes: Labels are 0 to ``num_classes - 1`` and the ignore index.
        same_size: Whether both must have the same size in pixels; else the same
            aspect ratio.
        load_labels: The transform that loads the label, or None.

    Returns:
        What was found.
    """
    image_path = str(info["img_path"])
    name = os.path.relpath(image_path, root).replace(os.sep, "/")
    problems = []
    image_size, counts = None, None
    try:
        with Image.open(image_path) as image:
            image.load()
            image_size = image.size
    except FileNotFoundError:
        problems.append(Problem("missing", name, f"{image_path}: no such image"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        problems.append(Problem("corrupt", name, f"{image_path}: {error}"))
    if load_labels is not None and "seg_map_path" in info:
        path = str(info["seg_map_path"])
        try:
            labels = load_labels(dict(info, seg_fields=[]))["gt_seg_map"]
            problem = _size_problem(name, path, image_size, labels.shape, same_size)
            problems += [problem] if problem else []
            counts = np.bincount(labels.ravel(), minlength=NUM_LABELS)
            CheckLabels(num_classes)({"gt_seg_map": labels, "seg_map_path": path})
        except FileNotFoundError:
            problems.append(Problem("missing", name, f"{path}: no such label"))
        except (OSError, SyntaxError, CorruptLabelError) as error:
            problems.append(Problem("corrupt", name, f"{path}: {error}"))
        except ValueError as error:
            problems.append(Problem("mis-labelled", name, str(error)))
    return FileCheck(tuple(problems), image_size, counts)


def check_sample(dataset: Any, index: int) -> FileCheck:
    """Read a sample of a dataset that has no files, through its pipeline.

    Args:
        dataset: The dataset.
        index: The sample's.

    Returns:
        What was found.
    """
    try:
        sample = dataset[index]
        height, width = sample["inputs"].shape[-2:]
        labels = sample["data_samples"].get("gt_sem_seg")
        if labels is None:
            return FileCheck((), (width, height))
        array = labels.data.numpy()
        counts = np.bincount(array.ravel(), minlength=NUM_LABELS)
        num_classes = len(dataset.metainfo["classes"])
        CheckLabels(num_classes)(
            {"gt_seg_map": array, "seg_map_path": f"sample {index}"}
        )
    except ValueError as error:
        return FileCheck((Problem("mis-labelled", None, str(error)),))
    return FileCheck((), (width, height), counts)


def _size_problem(
    name: str,
    path: str,
    image_size: Size | None,
    label_shape: Sequence[int],
    same_size: bool,
) -> Problem | None:
    if len(label_shape) != 2:
        raise ValueError(f"{path}: has shape {tuple(label_shape)}, not (height, width)")
    height, width = label_shape
    if image_size is None or image_size == (width, height):
        return None
    ratio = (image_size[0] * height) / (image_size[1] * width)
    if not same_size and abs(ratio - 1) < RATIO_TOLERANCE:
        return None
    sizes = f"{image_size[0]}x{image_size[1]}, its label {path} {width}x{height}"
    return Problem("mis-sized", name, f"the image is {sizes}")
