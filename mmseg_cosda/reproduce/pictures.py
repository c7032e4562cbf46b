"""The pictures of a table that says what each method gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.class_plot import draw_class_gains, gains_by_class
from mmseg_cosda.reproduce.evidence import gains_by_baseline, lower_bound
from mmseg_cosda.reproduce.gains_plot import draw_gains
from mmseg_cosda.reproduce.settings import SMALL, Setting, TableRow
from mmseg_cosda.reproduce.table import Results
from mmseg_cosda.reproduce.tables import has_gaps
from mmseg_cosda.visualization.files import check_suffix, save_figure

GAINS, CLASSES = "--plot", "--plot-classes"


def check_pictures(
    files: Mapping[str, Path | None], tables: Sequence[str], setting: Setting
) -> None:
    """Refuse pictures that can't be written, or that tables would share.

    Args:
        files: Option -> its file, None where it isn't given.
        tables: Names of the tables.
        setting: Task and network.

    Raises:
        UserError: See above.
    """
    drawn = [table for table in tables if has_gaps(table, setting)]
    given = {option: path for option, path in files.items() if path}
    for option, path in given.items():
        check_suffix(path, option)
        if not drawn:
            raise UserError(
                f"{option} {path}: it draws --table evidence, gap and reasons, and "
                f"--table methods of {' and '.join(SMALL)}"
            )
        if len(drawn) > 1:
            raise UserError(
                f"{option} {path}: it draws one table, and {' and '.join(drawn)} would "
                "overwrite each other: give one --table at a time"
            )
    if len({path.resolve() for path in given.values()}) < len(given):
        raise UserError(f"{' and '.join(given)} name one file: give each its own")


def draw_pictures(
    files: Mapping[str, Path | None],
    setting: Setting,
    rows: Sequence[TableRow],
    results: Results,
) -> list[Path]:
    """Draw the pictures that are asked for.

    Args:
        files: Option -> its file, None where it isn't given.
        setting: Task and network.
        rows: The table's rows.
        results: What the result files hold, by row and seed.

    Returns:
        The files.
    """
    if path := files[GAINS]:
        gains = gains_by_baseline(setting, rows, results)
        save_figure(draw_gains(gains, setting.metric), path)
    if path := files[CLASSES]:
        by_class = gains_by_class(setting, rows, results)
        save_figure(draw_class_gains(by_class, lower_bound(setting)), path)
    return [path for path in files.values() if path]
