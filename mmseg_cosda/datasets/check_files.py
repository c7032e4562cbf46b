"""Reads an image and its label and says what is wrong with them."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mmseg_cosda.datasets.exif import read_orientation
from mmseg_cosda.datasets.image_files import keeps_all, lost_information
from mmseg_cosda.datasets.label_files import CorruptLabelError
from mmseg_cosda.datasets.pseudo_label_files import REPORT, changed_content
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
        kind: ``"missing"``, ``"corrupt"``, ``"mis-sized"``, ``"mis-labelled"``,
            ``"lossy"`` (training doesn't read all that the image holds), or
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
    load_image: Any | None = None,
) -> FileCheck:
    """Read an image and its label.

    Args:
        info: The dataset's entry, with ``img_path`` and maybe ``seg_map_path``; of a
            pseudo-label with ``record``, what its folder's report says of the file.
        root: What names in the report are relative to.
        num_classes: Labels are 0 to ``num_classes - 1`` and the ignore index.
        same_size: Whether both must have the same size in pixels; else the same
            aspect ratio.
        load_labels: The transform that loads the label, or None.
        load_image: The transform with which training loads the image, or None.

    Returns:
        What was found.
    """
    image_path = str(info["img_path"])
    name = os.path.relpath(image_path, root).replace(os.sep, "/")
    problems = []
    image_size, counts = None, None
    info = dict(info)
    try:
        image_size, lost = _read_image(image_path, info, load_image)
        problems += [Problem("lossy", name, lost)] if lost else []
    except FileNotFoundError:
        problems.append(Problem("missing", name, f"{image_path}: no such image"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        detail = str(error)
        if image_path not in detail:
            detail = f"{image_path}: {detail}"
        problems.append(Problem("corrupt", name, detail))
    if load_labels is not None and "seg_map_path" in info:
        path = str(info["seg_map_path"])
        try:
            changed = info.get("record") and changed_content(Path(path), info["record"])
            if changed:
                raise CorruptLabelError(f"{changed}, compared with {REPORT}")
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


def _read_image(
    path: str, info: dict[str, Any], load_image: Any | None
) -> tuple[Size, str | None]:
    """Return an image's size as training reads it, and what training loses of it.

    Adds to ``info`` what the loader says of the image's orientation.
    """
    content = Path(path).read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size = image.size
    except UnidentifiedImageError:
        if load_image is None:
            raise
        size = None  # OpenCV knows formats that PIL doesn't
    if load_image is None:
        return size or (0, 0), None
    if size is not None and keeps_all(content) and read_orientation(content) == 1:
        return size, None
    results = load_image(dict(info))
    for key in ("exif_orientation", "orientation"):
        if key in results:
            info[key] = results[key]
    height, width = results["ori_shape"][:2]
    return (width, height), lost_information(path, content, results["img"])


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
