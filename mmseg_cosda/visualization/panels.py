"""Image, ground truth and predictions side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.files import PAGE
from mmseg_cosda.visualization.selection import Score

UInt8 = npt.NDArray[np.uint8]
NARROWEST = 1.4
"""Inches of a panel, below which its text would not fit."""
IGNORED = (0, 0, 0)


@dataclass(frozen=True)
class PictureRow:
    """What is shown of an image.

    Args:
        name: Of the image.
        note: Why it is shown.
        picture: The image, (H, W, 3) RGB.
        truth: Ground truth, (H, W).
        predictions: One (H, W) per model.
        scores: One per model.
    """

    name: str
    note: str
    picture: UInt8
    truth: UInt8
    predictions: Sequence[UInt8]
    scores: Sequence[Score]


@dataclass(frozen=True)
class Legend:
    """What the labels mean.

    Args:
        classes: Names.
        palette: RGB of each class.
        ignore_index: The label of ignored pixels.
    """

    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    ignore_index: int

    def paint(self, labels: UInt8) -> UInt8:
        """Paint a label map; what is ignored is black.

        Args:
            labels: (H, W).

        Returns:
            (H, W, 3) RGB.

        Examples:
            >>> legend = Legend(["a", "b"], [(1, 2, 3), (4, 5, 6)], 255)
            >>> legend.paint(np.array([[1, 255]], np.uint8)).tolist()
            [[[4, 5, 6], [0, 0, 0]]]
        """
        table = np.full((np.iinfo(np.uint8).max + 1, 3), IGNORED, np.uint8)
        table[: len(self.palette)] = self.palette
        table[self.ignore_index] = IGNORED
        return table[labels]

    def entries(self, maps: Iterable[UInt8]) -> list[Patch]:
        """Return the entries of the labels that occur in maps."""
        found = set().union(*(np.unique(labels).tolist() for labels in maps))
        colors = [
            (name, self.palette[i]) for i, name in enumerate(self.classes) if i in found
        ]
        if self.ignore_index in found:
            colors.append(("ignored", IGNORED))
        return [
            Patch(
                facecolor="#" + bytes(color).hex(),
                edgecolor="0.4",
                linewidth=0.4,
                label=name,
            )
            for name, color in colors
        ]


def legend_of(dataset: Any) -> Legend:
    """Return the legend of a host dataset.

    Raises:
        UserError: If it has no color for each class.
    """
    classes = dataset.metainfo["classes"]
    palette = dataset.metainfo.get("palette") or ()
    if len(palette) != len(classes):
        raise UserError(
            f"val_dataloader.dataset has {len(classes)} classes, but {len(palette)} "
            "colors: give it metainfo=dict(classes=..., palette=...)"
        )
    return Legend(classes, palette, dataset.ignore_index)


def draw_panels(
    rows: Sequence[PictureRow],
    models: Sequence[str],
    legend: Legend,
    width: float | None = None,
) -> Figure:
    """Draw the comparison, a row per image.

    Args:
        rows: At least one.
        models: Names of the models.
        legend: What the labels mean.
        width: Of the figure, inches; default: both columns of a paper, more for more
            than three models.

    Returns:
        The figure, below it a legend of the classes that occur in it.
    """
    columns = 2 + len(models)
    width = width or max(PAGE, NARROWEST * columns)
    panel = width / columns
    titles = [
        textwrap.fill(title, max(8, int(17 * panel)))
        for title in ("image", "ground truth", *models)
    ]
    heights = [panel * len(row.truth) / len(row.truth[0]) + 0.28 for row in rows]
    above = sum(heights) + 0.06
    above += 0.15 * max(title.count("\n") + 1 for title in titles)
    entries = legend.entries(m for row in rows for m in (row.truth, *row.predictions))
    longest = max(len(str(entry.get_label())) for entry in entries)
    per_line = max(1, int(width / (0.35 + 0.062 * longest)))
    below = 0.17 * math.ceil(len(entries) / per_line) + 0.1
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=(width, above + below), layout=layout)
    parts: Any = figure.subfigures(2, 1, height_ratios=(above, below))
    upper, lower = parts
    axes = upper.subplots(
        len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for row, line in zip(rows, axes, strict=True):
        _draw_row(row, line, legend, int(20 * panel))
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8, pad=3)
    lower.legend(
        handles=entries,
        loc="upper center",
        borderaxespad=0,
        ncols=per_line,
        fontsize=7,
        frameon=False,
        handlelength=1.0,
        columnspacing=1.2,
    )
    return figure


def _draw_row(
    row: PictureRow, axes: Sequence[Axes], legend: Legend, letters: int
) -> None:
    maps = [row.truth, *row.predictions]
    pictures = [row.picture, *(legend.paint(labels) for labels in maps)]
    name = row.name.rpartition("/")[2]
    if len(name) > letters:  # the ends of names differ
        name = f"…{name[1 - letters :]}"
    notes = [f"{name}\n{row.note}".strip(), ""]
    for s in row.scores:
        notes.append(f"mIoU {_percent(s.miou)}\naccuracy {_percent(s.accuracy)}")
    for axis, picture, note in zip(axes, pictures, notes, strict=True):
        # Label maps must not be blended: a mix of two colors may be a third class's.
        blend = "antialiased" if picture is row.picture else "nearest"
        axis.imshow(picture, interpolation=blend)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.set_xlabel(note, fontsize=6.5, labelpad=2)


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f} %"
