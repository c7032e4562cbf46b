"""Predictions of several models for the same images, and which of them to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmseg_cosda.inference.predicted_maps import LabelMaps
from mmseg_cosda.visualization.selection import Score, difference, largest, score

CRITERIA = ("difference", "improvement")


@dataclass(frozen=True)
class Compared:
    """An image's predictions, measured.

    Args:
        scores: One per model.
        difference: Share of the labelled pixels on which not all models agree, percent.
    """

    scores: Sequence[Score]
    difference: float

    @property
    def improvement(self) -> float:
        """Accuracy of the last model above the first's, percentage points."""
        return self.scores[-1].accuracy - self.scores[0].accuracy

    def note(self, by: str) -> str:
        """Say in a few words why the image is shown; nothing for one model."""
        if len(self.scores) == 1:
            return ""
        if by == "improvement":
            return f"accuracy {self.improvement:+.1f} points"
        return f"{self.difference:.1f} % differ"


def compare(
    predictions: Sequence[LabelMaps], truths: LabelMaps, dataset: Any
) -> list[Compared]:
    """Measure every image.

    Args:
        predictions: Of each model, the same images.
        truths: Their ground truth.
        dataset: Its ``ignore_index`` and the classes of its ``metainfo``.
    """
    classes, ignored = len(dataset.metainfo["classes"]), dataset.ignore_index
    compared = []
    for place, truth in enumerate(truths):
        maps = [found[place] for found in predictions]
        scores = [score(label, truth, classes, ignored) for label in maps]
        compared.append(Compared(scores, difference(maps, truth, ignored)))
    return compared


def pick(
    compared: Sequence[Compared], by: str, count: int, apart: int = 1
) -> list[int]:
    """Return the positions of the images to show, the most telling first.

    Args:
        compared: Of each image.
        by: One of :data:`CRITERIA`.
        count: How many.
        apart: Least distance of their positions.
    """
    return largest([getattr(image, by) for image in compared], count, apart)
