"""What the report counts of finished pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX

Counts = NDArray[np.int64]


def kept_from(
    thresholds: NDArray[np.float64], centers: NDArray[np.float64], comparison: str
) -> NDArray[np.int32]:
    """Return the lowest bin of each class that its threshold keeps.

    Args:
        thresholds: tau, (C,).
        centers: Confidence of each bin, ascending, (B,).
        comparison: ``"gt"`` keeps confidence > tau, ``"ge"`` >= tau.

    Returns:
        (C,) int32 in [0, B].

    Examples:
        >>> centers = np.array([0.25, 0.5, 0.75])
        >>> kept_from(np.array([0.5, 0.9]), centers, "gt").tolist()
        [2, 3]
        >>> kept_from(np.array([0.5, 0.9]), centers, "ge").tolist()
        [1, 3]
    """
    side: Literal["left", "right"] = "right" if comparison == "gt" else "left"
    return np.searchsorted(centers, thresholds, side=side).astype(np.int32)


class PseudoLabelStatistics:
    """Counts pixels of pseudo-labels by class, and against a ground truth.

    Args:
        num_classes: Number of classes C.

    Examples:
        >>> statistics = PseudoLabelStatistics(num_classes=2)
        >>> kept = np.array([[0, 0, 255, 1]], dtype=np.uint8)
        >>> truth = np.array([[0, 1, 1, 1]], dtype=np.uint8)
        >>> statistics.add(kept, predicted=np.array([[0, 0, 1, 1]]), truth=truth)
        >>> statistics.kept.tolist(), statistics.confusion.tolist()
        ([2, 1], [[1, 0, 0], [1, 1, 1]])
    """

    def __init__(self, num_classes: int) -> None:
        C = num_classes
        self.num_classes = C
        self.kept: Counts = np.zeros(C, np.int64)
        """Pixels that carry each class as their pseudo-label, (C,)."""
        self.images: Counts = np.zeros(C, np.int64)
        """Images with such a pixel, (C,)."""
        self.confusion: Counts = np.zeros((C, C + 1), np.int64)
        """True class by pseudo-label, of which the last is none, (C, C + 1)."""
        self.predicted: Counts = np.zeros((C, C), np.int64)
        """True class by prediction, kept or not, (C, C)."""

    def arrays(self) -> list[Counts]:
        """Return all counts, to be summed over processes in place."""
        return [self.kept, self.images, self.confusion, self.predicted]

    def add(
        self,
        pseudo_label: NDArray[np.uint8],
        predicted: NDArray[np.integer],
        truth: NDArray[np.uint8],
    ) -> None:
        """Count an image.

        Args:
            pseudo_label: Class or ignore index, (H, W).
            predicted: Class before the threshold, (H, W).
            truth: Ground truth, (H, W); empty where there is none.
        """
        C = self.num_classes
        kept = np.bincount(pseudo_label.reshape(-1), minlength=IGNORE_INDEX + 1)[:C]
        self.kept += kept
        self.images += kept > 0
        if truth.size:
            valid = truth < C
            true = truth[valid].astype(np.int64)
            label = np.minimum(pseudo_label[valid], C)  # the ignore index becomes C
            self.confusion += _joint(true * (C + 1) + label, (C, C + 1))
            self.predicted += _joint(true * C + predicted[valid], (C, C))

    def summary(
        self,
        classes: Sequence[str],
        thresholds: NDArray[np.float64],
        predicted: Counts,
    ) -> dict[str, Any]:
        """Return the report's figures, JSON values; None where 0 is divided by 0.

        Args:
            classes: Names of the classes.
            thresholds: tau, (C,).
            predicted: Pixels predicted as each class, (C,).
        """
        total = int(predicted.sum())
        per_class = [
            {
                "name": name,
                "threshold": round(float(thresholds[c]), 6),
                "predicted": int(predicted[c]),
                "kept": int(self.kept[c]),
                "share_kept": _ratio(self.kept[c], predicted[c]),
                "coverage": _ratio(self.kept[c], total),
                "images": int(self.images[c]),
            }
            for c, name in enumerate(classes)
        ]
        summary: dict[str, Any] = {
            "pixels": total,
            "kept": int(self.kept.sum()),
            "share_kept": _ratio(self.kept.sum(), total),
            "classes": per_class,
        }
        if self.predicted.any():
            summary["quality"] = self._quality(per_class)
        return summary

    def _quality(self, per_class: list[dict[str, Any]]) -> dict[str, Any]:
        C = self.num_classes
        kept = self.confusion[:, :C]
        right, labelled = kept.diagonal(), kept.sum(axis=0)
        union = labelled + kept.sum(axis=1) - right
        for c, entry in enumerate(per_class):
            entry["accuracy"] = _ratio(right[c], labelled[c])
            entry["iou"] = _ratio(right[c], union[c])
            entry["recall"] = _ratio(right[c], self.confusion[c].sum())
        ious = [entry["iou"] for entry in per_class if entry["iou"] is not None]
        return {
            "accuracy": _ratio(right.sum(), kept.sum()),
            "miou": _ratio(sum(ious), len(ious)),
            "accuracy_before_threshold": _ratio(
                self.predicted.trace(), self.predicted.sum()
            ),
        }


def _joint(index: Counts, shape: tuple[int, int]) -> Counts:
    return np.bincount(index, minlength=shape[0] * shape[1]).reshape(shape)


def _ratio(part: float, whole: float) -> float | None:
    return round(float(part) / float(whole), 6) if whole else None
