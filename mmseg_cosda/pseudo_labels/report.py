"""The report of pseudo-labels as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = (
    ("threshold", "threshold τ", "#4c72b0"),
    ("share_kept", "kept of the class's pixels", "#55a868"),
    ("coverage", "share of all pixels", "#8172b3"),
    ("accuracy", "right where kept", "#c44e52"),
    ("iou", "IoU where kept", "#dd8452"),
)
"""Figure per class of the report, its title, its color."""


FORMATS = ("svg", "png", "pdf")


def check_format(suffix: str) -> None:
    """Refuse another format of pictures.

    Raises:
        ValueError: If ``suffix`` is not one of ``FORMATS``.
    """
    if suffix not in FORMATS:
        raise ValueError(
            f"a picture cannot have the suffix {suffix!r}; take one of "
            f"{', '.join(FORMATS)}"
        )


def draw_report(report: dict[str, Any], suffix: str = "svg") -> bytes:
    """Draw the figures of each class side by side.

    Args:
        report: As in ``report.json``.
        suffix: Format of the picture: one of ``FORMATS``.

    Returns:
        The file's content; the same for the same report.

    Raises:
        ValueError: If the format is another.
    """
    # 24 MB that inference, which comes before, can do without.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    classes = report["classes"]
    panels = [panel for panel in PANELS if panel[0] in classes[0]]
    check_format(suffix)
    figure = Figure(figsize=(2.1 + 2.1 * len(panels), 1.4 + 0.27 * len(classes)))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (key, title, color) in zip(axes, panels, strict=True):
        _draw_panel(axis, [entry[key] for entry in classes], title, color)
    axes[0].axvline(report["cap"], color="black", linewidth=0.8, linestyle="--")
    axes[0].set_yticks(range(len(classes)), [entry["name"] for entry in classes])
    axes[0].set_ylim(len(classes) - 0.4, -0.6)
    figure.suptitle(_title(report), fontsize=10)
    figure.set_layout_engine("constrained")
    buffer = io.BytesIO()
    # No date and no random ids: the same report gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "report", "svg.fonttype": "none"}):
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(buffer, format=suffix, dpi=120, metadata=metadata)
    return buffer.getvalue()


def _draw_panel(axis: Axes, values: list[float | None], title: str, color: str) -> None:
    axis.barh(range(len(values)), [value or 0.0 for value in values], color=color)
    for row, value in enumerate(values):
        text = "–" if value is None else f"{value:.3f}"
        axis.text(0.02, row, text, va="center", fontsize=7, **_outlined())
    axis.set_title(title, fontsize=9)
    axis.set_xlim(0, 1)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _outlined() -> dict[str, Any]:
    """Return a style that is readable on a bar and beside it."""
    return {"bbox": {"facecolor": "white", "alpha": 0.75, "pad": 1, "linewidth": 0}}


def _title(report: dict[str, Any]) -> str:
    sign = {"gt": ">", "ge": "≥"}[report["comparison"]]
    title = (
        f"{100 * (report['share_kept'] or 0):.1f} % of {report['pixels']:,} pixels of "
        f"{report['images']:,} images kept (confidence {sign} τ, quantile "
        f"{report['quantile']}, cap {report['cap']})"
    )
    if quality := report.get("quality"):
        title += (
            f"\n{_percent(quality['accuracy'])} right where kept, "
            f"{_percent(quality['accuracy_before_threshold'])} before the threshold; "
            f"mIoU where kept {_percent(quality['miou'])}"
        )
    return title


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
