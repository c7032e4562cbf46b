"""Figures as files, whole or absent, and the colors that their lines have."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write

FORMATS = ("png", "pdf", "svg")
COLUMN, PAGE = 3.5, 7.2
"""Inches: the width of a column and of both columns of a paper."""
COLORS = (
    "#0072b2",  # blue
    "#d55e00",  # vermillion
    "#009e73",  # bluish green
    "#cc79a7",  # reddish purple
    "#e69f00",  # orange
    "#56b4e9",  # sky blue
    "#000000",
)
"""Okabe and Ito's palette, safe for color-blind readers, without its yellow, which
is too pale for a line on white (https://jfly.uni-koeln.de/color/)."""


def check_suffix(path: Path, option: str = "--out") -> None:
    """Refuse a file whose suffix is none of :data:`FORMATS`.

    Args:
        path: Where a figure is to be written.
        option: The option that names it.

    Raises:
        UserError: See above.

    Examples:
        >>> check_suffix(Path("a.jpg"))
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: --out a.jpg: must end with .png, .pdf or .svg
    """
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise UserError(f"{option} {path}: must end with .png, .pdf or .svg")


def check_width(width: float | None) -> None:
    """Refuse a width, in inches, that is not between 1 and 50.

    Raises:
        UserError: See above.
    """
    if width is not None and not 1 <= width <= 50:
        raise UserError(f"--width {width:g}: must be from 1 to 50 inches")


def save_figure(figure: Figure, path: Path, dpi: int = 300) -> None:
    """Write a figure; the file is there whole or not at all.

    Args:
        figure: Any figure.
        path: Its file, with a suffix of :data:`FORMATS`.
        dpi: Pixels per inch; 300 is what journals ask for.
    """
    suffix = path.suffix.lower().removeprefix(".")
    # No date and no random ids: the same figure gives the same bytes.
    metadata = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    options = {"svg.hashsalt": path.name, "pdf.fonttype": 42}
    with mpl.rc_context(options), atomic_write(path) as file:
        figure.savefig(file, format=suffix, dpi=dpi, metadata=metadata[suffix])
