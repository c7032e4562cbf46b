"""Which class is taken for which."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmseg_cosda.files import atomic_write


def check_confusion(path: str | None, format_only: bool) -> None:
    """Check where a metric shall write a confusion matrix.

    Args:
        path: A CSV file, or None.
        format_only: Whether the metric measures nothing.

    Raises:
        ValueError: If it can't be meant.
    """
    if path is None:
        return
    if not str(path).endswith(".csv"):
        raise ValueError(
            f"confusion={path!r} of SubsetIoUMetric: must be a file that ends in .csv, "
            "or None"
        )
    if format_only:
        raise ValueError(
            f"confusion={path!r} of SubsetIoUMetric: format_only=True measures "
            "nothing; leave one of them out"
        )


def confusion_matrix(
    predicted: Tensor, label: Tensor, num_classes: int, ignore_index: int
) -> Tensor:
    """Count which class is taken for which.

    Args:
        predicted: (H, W) predicted classes.
        label: (H, W) ground truth.
        num_classes: C.
        ignore_index: The label of pixels that are not counted.

    Returns:
        (C, C) int64: pixels by their true class (row) and the predicted one (column).

    Examples:
        >>> true, seen = torch.tensor([[0, 0, 1, 255]]), torch.tensor([[0, 1, 1, 0]])
        >>> confusion_matrix(seen, true, 2, 255).tolist()
        [[1, 1], [0, 1]]
    """
    counted = (label != ignore_index) & (label < num_classes)
    pairs = label[counted].long() * num_classes + predicted[counted].long()
    counts = torch.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).cpu()


def write_confusion(path: str, classes: Sequence[str], matrix: Tensor) -> None:
    """Write a confusion matrix in percent of the pixels of each true class.

    Args:
        path: The CSV file.
        classes: Names of the C classes.
        matrix: Counts of :func:`confusion_matrix`; a class without pixels has no line.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class", *classes, "pixels"])
    for name, counts in zip(classes, matrix.tolist(), strict=True):
        total = sum(counts)
        if total:
            shares = (f"{100 * count / total:.2f}" for count in counts)
            writer.writerow([name, *shares, total])
    with atomic_write(Path(path)) as file:
        file.write(text.getvalue().encode())
    print_log(f"which class is taken for which: {path}", "current")
