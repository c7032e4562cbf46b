"""Which images to show: those on which models differ, or the last one gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mmseg_cosda.evaluation.subset_iou_metric import SubsetIoUMetric

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Score:
    """Quality of a prediction for one image, in percent; NaN where nothing counts.

    Args:
        miou: Mean IoU over the classes in this image's ground truth or prediction.
        accuracy: Share of the labelled pixels that are right.
    """

    miou: float
    accuracy: float


def score(predicted: UInt8, truth: UInt8, num_classes: int, ignore_index: int) -> Score:
    """Evaluate one image as the host evaluates a set of images.

    Args:
        predicted: (H, W) classes.
        truth: (H, W) ground truth.
        num_classes: C.
        ignore_index: The label of pixels that don't count.

    Examples:
        >>> truth = np.array([[0, 0, 1, 255]], np.uint8)
        >>> score(np.array([[0, 1, 1, 1]], np.uint8), truth, 3, 255).miou
        50.0
    """
    areas = SubsetIoUMetric.intersect_and_union(
        torch.from_numpy(predicted), torch.from_numpy(truth), num_classes, ignore_index
    )
    metrics = SubsetIoUMetric.total_area_to_metrics(*areas, ["mIoU"])
    iou = metrics["IoU"]
    miou = math.nan if np.isnan(iou).all() else float(np.nanmean(iou))
    return Score(100 * miou, 100 * float(metrics["aAcc"]))


def difference(predictions: Sequence[UInt8], truth: UInt8, ignore_index: int) -> float:
    """Return the share of an image's pixels on which the models don't all agree.

    Only labelled pixels count: where nothing is evaluated, such as on the bonnet of
    Cityscapes' car, models differ widely and it says nothing.

    Args:
        predictions: One (H, W) map per model.
        truth: (H, W) ground truth.
        ignore_index: The label of pixels that don't count.

    Returns:
        In percent; NaN if no pixel is labelled.

    Examples:
        >>> one, other = np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 2]])
        >>> difference([one, one, other], np.array([[0, 0, 0, 0]]), 255)
        50.0
        >>> difference([one, other], np.array([[0, 0, 255, 255]]), 255)
        50.0
    """
    counts = truth != ignore_index
    if not counts.any():
        return math.nan
    first, *others = predictions
    differs = np.zeros(first.shape, bool)
    for other in others:
        differs |= other != first
    return 100 * float(differs[counts].mean())


def largest(values: Sequence[float], count: int, apart: int = 1) -> list[int]:
    """Return the positions of the largest values, largest first.

    Args:
        values: NaN counts as the smallest; of equal ones the first comes first.
        count: How many, if there are as many.
        apart: Least distance of two positions: neighbors are frames of one video in
            many datasets, and look the same.

    Examples:
        >>> largest([1.0, float("nan"), 3.0, 3.0], 3)
        [2, 3, 0]
        >>> largest([1.0, float("nan"), 3.0, 3.0], 3, apart=2)
        [2, 0]
    """
    ranks = [-math.inf if math.isnan(value) else value for value in values]
    chosen: list[int] = []
    for place in sorted(range(len(ranks)), key=lambda i: -ranks[i]):
        if all(abs(place - other) >= apart for other in chosen):
            chosen.append(place)
    return chosen[:count]
