"""Draws the figure of the method: `python docs/draw_method.py` (extra `plots`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

SOURCE, TARGET, INK, PAPER = "#2a6fbb", "#c8581e", "#22303c", "#f6f4ef"
CLASSES = ("#804080", "#464646", "#6b8e23", "#dc143c")


def box(ax: Any, x: float, y: float, w: float, h: float, text: str, color: str) -> None:
    """Draw a rounded box with a caption."""
    ax.add_patch(
        FancyBboxPatch(
            (x, y), w, h, boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor="white", edgecolor=color, linewidth=1.8,
        )
    )  # fmt: skip
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", color=INK, size=9.5)


def arrow(
    ax: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = INK,
    style: str = "-",
) -> None:
    """Draw an arrow."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=13, color=color,
            linewidth=1.6, linestyle=style, shrinkA=2, shrinkB=3,
        )
    )  # fmt: skip


def queue(ax: Any, x: float, y: float) -> None:
    """Draw the class-wise dictionary D."""
    fills = (9, 9, 6, 2)
    for row, (color, fill) in enumerate(zip(CLASSES, fills, strict=True)):
        for column in range(9):
            face = color if column >= 9 - fill else "white"
            ax.add_patch(
                Rectangle(
                    (x + 0.2 * column, y + 0.27 * (3 - row)), 0.18, 0.21,
                    facecolor=face, edgecolor=color, linewidth=0.8,
                    alpha=0.35 + 0.65 * column / 9,
                )
            )  # fmt: skip
    ax.text(x + 0.9, y + 1.22, "dictionary D: a queue per class", ha="center", size=9)
    ax.text(x + 0.9, y - 0.18, "oldest leave  →  newest enter", ha="center", size=7.5)


def matrix(ax: Any, x: float, y: float) -> None:
    """Draw the similarity matrix of one class, selected pairs in color."""
    rng = np.random.default_rng(4)
    values = np.clip(rng.normal(0.45, 0.25, (6, 9)), -0.2, 1)
    for i in range(6):
        for j in range(9):
            value = values[i, j]
            chosen = value > 0.6
            ax.add_patch(
                Rectangle(
                    (x + 0.2 * j, y + 0.2 * (5 - i)), 0.18, 0.18,
                    facecolor=plt.cm.YlOrRd(0.2 + 0.7 * value) if chosen else "#e3e3e3",
                    edgecolor="none",
                )
            )  # fmt: skip
    ax.text(x + 0.9, y + 1.27, r"$M^c$: cosine similarity", ha="center", size=9)
    ax.text(
        x + 0.9, y - 0.2, r"colored: $M^c > T_{cos}$, pulled to 1", ha="center", size=8
    )


def draw() -> Any:
    """Return the figure."""
    fig, ax = plt.subplots(figsize=(12, 4.6), facecolor=PAPER)
    ax.set_xlim(0, 12.6)
    ax.set_ylim(0, 4.7)
    ax.axis("off")
    ax.text(0.1, 4.4, "source phase", color=SOURCE, size=12, weight="bold")
    ax.text(0.1, 0.25, "target phase", color=TARGET, size=12, weight="bold")
    box(ax, 0.1, 3.1, 1.5, 0.9, "labelled source\n$x^s,\\ y^s$", SOURCE)
    box(ax, 0.1, 0.7, 1.5, 0.9, "target $x^t$\n(pseudo-labels $\\hat y^t$)", TARGET)
    box(ax, 2.2, 1.85, 1.4, 1.0, "backbone F\n(shared)", INK)
    arrow(ax, (1.6, 3.5), (2.5, 2.87), SOURCE)
    arrow(ax, (1.6, 1.2), (2.5, 1.83), TARGET)
    box(ax, 4.3, 3.1, 1.5, 0.9, "decode head H\ncross-entropy\neq. 1", SOURCE)
    box(ax, 4.3, 0.7, 1.5, 0.9, "decode head H\ncross-entropy\neq. 2", TARGET)
    arrow(ax, (3.6, 2.6), (4.3, 3.3), SOURCE)
    arrow(ax, (3.6, 2.1), (4.3, 1.4), TARGET)
    box(
        ax,
        6.3,
        3.1,
        1.75,
        0.9,
        "process A, eq. 6\nonly what is\nclassified correctly",
        SOURCE,
    )
    box(
        ax,
        6.3,
        0.7,
        1.75,
        0.9,
        "process B, eq. 7-8\nsplit by pseudo-label\nor prediction",
        TARGET,
    )
    arrow(ax, (5.8, 3.55), (6.3, 3.55), SOURCE)
    arrow(ax, (5.8, 1.15), (6.3, 1.15), TARGET)
    queue(ax, 8.75, 2.95)
    arrow(ax, (8.05, 3.55), (8.72, 3.5), SOURCE)
    ax.text(8.38, 3.75, "detached", ha="center", size=7.5, color=SOURCE)
    matrix(ax, 8.75, 0.75)
    arrow(ax, (8.05, 1.15), (8.72, 1.3), TARGET)
    arrow(ax, (9.65, 2.72), (9.65, 2.18), SOURCE)
    box(ax, 11.1, 1.0, 1.4, 0.9, "cosine loss\neq. 9-10", TARGET)
    arrow(ax, (10.6, 1.4), (11.1, 1.42), TARGET)
    ax.plot([11.8, 11.8, 2.9], [0.96, 0.3, 0.3], "--", color=TARGET, linewidth=1.6)
    arrow(ax, (2.9, 0.3), (2.9, 1.83), TARGET, "--")
    ax.text(7.2, 0.08, "gradient into the target's features alone", ha="center",
            size=8.5, color=TARGET)  # fmt: skip
    fig.tight_layout(pad=0.3)
    return fig


if __name__ == "__main__":
    out = Path(__file__).parent / "images" / "method.png"
    draw().savefig(out, dpi=110, facecolor=PAPER)
    print(out)
