"""Which rows each table has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.rows import LATER_METHODS, ON_DACS, ROWS, VARIANTS
from mmseg_cosda.reproduce.settings import (
    COSINE,
    PAPER_NETS,
    PAPER_TASKS,
    SMALL,
    STAGED,
    Setting,
    TableRow,
)
from mmseg_cosda.reproduce.staged_rows import (
    AVERAGES,
    EQ_11,
    SECOND_ROUNDS,
    THIRD_ROUNDS,
)

TABLES: Mapping[str, tuple[str, ...]] = {
    "1": ("adversarial-no-pl", "cosine-no-pl"),
    "2": ("cosine",),
    "3": ("cosine",),
    "4": (
        "cosine",
        "no-queue",
        "no-class-split",
        "with-adversarial",
        "only-ssl",
        "ssl-adversarial",
    ),
    "6": ("cosine",),
    "bounds": (
        "source-only",
        "source-only-continued",
        "target-bn",
        "target-supervised",
    ),
    "evidence": (),
    "variants": (
        "cosine",
        *(name for name, *_ in VARIANTS),
        "no-class-split-strong",
        "no-target-split",
    ),
    "variants-no-pl": (
        "cosine-no-pl",
        *(f"{name}-no-pl" for name, *_ in VARIANTS),
        "no-queue-no-pl",
        "no-class-split-no-pl",
        "no-target-split-no-pl",
    ),
    "methods": (
        "source-only",
        "source-only-continued",
        "cosine-no-pl",
        "only-ssl",
        "cosine",
        "only-ssl-online",
        "cosine-online",
        "adversarial-no-pl",
        *(f"{name}{end}" for name, *_ in LATER_METHODS for end in ("", "-cosine")),
        "dacs-cosine-target",
        "mic-cosine-target",
        "dacs-rare-classes",
        "dacs-feature-distance",
        "other-streets-labels",
        "target-supervised",
    ),
    "gap": (
        "source-only-continued",
        EQ_11,
        *(f"{name}-second" for name, *_ in SECOND_ROUNDS),
        *(name for name, *_ in AVERAGES),
        *(name for name, *_ in THIRD_ROUNDS),
        "few-labels",
        "other-streets-labels",
        "target-classifier",
        "target-other-streets",
        "target-supervised",
    ),
    "reasons": (
        "source-only-continued",
        EQ_11,
        "sum-small-no-pl",
        "no-target-split-no-pl",
        "confident-no-pl",
        "all-pairs-no-pl",
        "top-10-no-pl",
        "centered-no-pl",
        "repulsion-no-pl",
        "no-class-split-no-pl",
        "only-ssl",
        "cosine",
        "cosine-teacher-classes",
        "only-ssl-class-weights",
        "only-ssl-features",
        "only-ssl-online",
        "cosine-online",
        "dacs",
        "dacs-cosine",
        "dacs-cosine-target",
        *(f"dacs-cosine-{name}" for name in ON_DACS),
        "target-supervised",
    ),
}
"""Rows by table; Table 6 has the sweeps besides, "evidence" the rows of all tables but
"methods", "gap" and "reasons"; Table 5 needs no run."""
STAGED_TABLES = ("gap", "reasons")
"""The tables whose rows begin where others ended."""

BASELINES: Mapping[str, str] = {
    "1": "adversarial-no-pl",
    "6": "cosine",
    "bounds": "source-only",
    "gap": "source-only-continued",
    "methods": "source-only",
    "reasons": "source-only-continued",
    "variants": "cosine",
    "variants-no-pl": "cosine-no-pl",
}
"""The row that differences are taken to, "only SSL" where none is named."""

OFFSETS = (-0.1, -0.05, 0.05, 0.1)
FACTORS = (0.4, 0.6, 0.8, 1.2)


def has_gaps(table: str, setting: Setting) -> bool:
    """Return whether a table says how much of the gap to supervision is closed."""
    small = table == "methods" and setting.task in SMALL
    return small or table in ("evidence", *STAGED_TABLES)


def sweep_rows(cosine: Mapping[str, Any]) -> list[TableRow]:
    """Return Table 6's sweeps around a config's own threshold and queue size.

    Args:
        cosine: ``model.alignments.cosine`` of the config.

    Returns:
        T_cos at -0.1, -0.05, +0.05, +0.1 (of every map), then dict-size at 0.4, 0.6,
        0.8 and 1.2 times the config's, which are the paper's values for its own.

    Examples:
        >>> taps = dict(layer4=dict(threshold=0.6))
        >>> [row.name for row in sweep_rows(dict(taps=taps, queue_size=2500))][2:6]
        ['threshold-0.65', 'threshold-0.7', 'queue-1000', 'queue-1500']
    """
    taps = {name: tap for name, tap in cosine["taps"].items() if tap is not None}
    thresholds = {name: tap["threshold"] for name, tap in taps.items()}
    rows = []
    for offset in OFFSETS:
        moved = {name: round(old + offset, 4) for name, old in thresholds.items()}
        first = next(iter(moved.values()))
        options = {f"{COSINE}.taps.{k}.threshold": v for k, v in moved.items()}
        title = f"T_cos {first:g}"
        rows.append(TableRow(f"threshold-{first:g}", title, "cosda", "", True, options))
    for factor in FACTORS:
        size = round(cosine["queue_size"] * factor)
        options = {f"{COSINE}.queue_size": size}
        rows.append(
            TableRow(f"queue-{size}", f"dict-size {size}", "cosda", "", True, options)
        )
    return rows


def table_rows(
    table: str, setting: Setting, cosine: Mapping[str, Any], only: Sequence[str] = ()
) -> list[TableRow]:
    """Return the rows of a table for a task and a network.

    Args:
        table: A key of :data:`TABLES`.
        setting: Task and network.
        cosine: ``model.alignments.cosine`` of the setting's eq. 12.
        only: Names of the rows to take, by default all.

    Returns:
        Its rows, in the table's order.

    Raises:
        UserError: If the table is of another task, net or source images, or ``only``
            names none of its rows.
    """
    other = {"2": "synthia2cs", "3": "gta2cs"}
    if other.get(table) == setting.task:
        raise UserError(
            f"--table {table} is not about {setting.task}: Table 2 is GTA5, Table 3 "
            "SYNTHIA"
        )
    if table == "methods" and setting.translated:
        raise UserError(
            "--table methods --translated: the later methods are published on the "
            "original source images; leave out --translated"
        )
    if table != "methods" and setting.net not in PAPER_NETS:
        raise UserError(f"--net {setting.net} is for --table methods alone")
    if table != "methods" and setting.task not in (*PAPER_TASKS, *SMALL):
        raise UserError(f"--task {setting.task} is for --table methods alone")
    if table in STAGED_TABLES and setting.task not in STAGED:
        raise UserError(
            f"--table {table} --task {setting.task}: it is about "
            f"{' and '.join(STAGED)}, whose rows begin where others ended"
        )
    rows = [ROWS[name] for name in TABLES[table] if ROWS[name].is_for(setting)]
    if table == "evidence":
        parts = ("bounds", "1", "4", "6", "variants-no-pl", "variants")
        every = [row for part in parts for row in table_rows(part, setting, cosine)]
        rows = list(dict.fromkeys(every))
        if setting.task in SMALL:  # no live BatchNorm: the control is source-only
            rows = [row for row in rows if row.name != "target-bn"]
    if setting.task not in SMALL:  # nothing says what to read there
        rows = [row for row in rows if row.name != "target-supervised"]
    if table == "6":
        rows += sweep_rows(cosine)
    names = [row.name for row in rows]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UserError(
            f"--rows {' '.join(unknown)}: table {table} has {', '.join(names)}"
        )
    return [row for row in rows if not only or row.name in only]
