"""Were the rows of a table made alike? What differs, in one line below the table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mmseg_cosda.engine.run_record import code_name
from mmseg_cosda.reproduce.belonging import short_code
from mmseg_cosda.reproduce.table import Results

SHARED = ("train_cfg", "val_dataloader", "val_evaluator", "val_cfg")
"""First keys of config values that the rows of a table have in common: how long they
train, and on what and how they are evaluated."""
SHARED_KEYS = ("train_dataloader.batch_size",)
DATASET = "train_dataloader.dataset."
MOST_NAMED = 4
Runs = list[tuple[str, Mapping[str, Any]]]


def protocol_line(results: Results) -> str:
    """Say what the runs of a table were made with otherwise than each other.

    Compared are the commit of this package, length, batch size and evaluation, and
    which files were read: those of a domain among the rows that take it from the same
    place, pseudo-labels among those of one teacher, validation among all.

    Args:
        results: What the result files hold, by row and seed.

    Returns:
        One line of Markdown; "" where all were made alike, or nothing says so.
    """
    runs = [
        (row, result) for row, by_seed in results.items() for result in by_seed.values()
    ]
    parts = [_commits(runs), *_values(runs), *_data(runs)]
    found = [part for part in parts if part]
    text = f"**Not all made alike:** {'; '.join(found)}." if found else ""
    without = sum(
        not (result.get("record") or result.get("averaged")) for _, result in runs
    )
    if without:
        text += (
            f" {without} of {len(runs)} runs left no record of their training: only "
            "their options and commits are compared."
        )
    return text.strip()


def _commits(runs: Runs) -> str:
    counts: Counter[str] = Counter()
    for _, result in runs:
        starts = result.get("record") or ()
        codes = {code_name(start) for start in starts}
        codes = codes or {str(result.get("commit", "unknown"))}
        counts.update(map(short_code, codes))
    if len(counts) < 2:
        return ""
    shown = ", ".join(f"{code} ({count})" for code, count in counts.most_common())
    return f"commits {shown}"


def _values(runs: Runs) -> Iterator[str]:
    """Name the values of the protocol that differ."""
    recorded = [
        (row, start["values"])
        for row, result in runs
        for start in result.get("record") or ()
    ]
    keys = {key for _, values in recorded for key in values}
    kept = [k for k in keys if k.partition(".")[0] in SHARED or k in SHARED_KEYS]
    found = [
        text
        for key in sorted(kept)
        if (text := _split(key, [(row, values.get(key)) for row, values in recorded]))
    ]
    yield from found[:MOST_NAMED]
    if len(found) > MOST_NAMED:
        yield f"{len(found) - MOST_NAMED} more values"


def _data(runs: Runs) -> Iterator[str]:
    """Name the data that differs among rows that should have read the same."""
    groups: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    for row, result in runs:
        for start in result.get("record") or ():
            for part, found in start["data"].items():
                place = _place(part, start["values"], result)
                groups.setdefault((part, place), []).append((row, found["digest"]))
    for (part, _), pairs in groups.items():
        text = _split(f"files of {part}", pairs)
        if text:
            yield text


def _place(part: str, values: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Say where a part of the data is taken from, as far as configs say so."""
    if part == "pseudo_labels":
        return str(result.get("pseudo_labels"))
    if part == "validation":
        return ""
    start = f"{DATASET}{part}."
    own = {  # within a PseudoLabelDataset stands the same dataset as without
        key.removeprefix(start).removeprefix("dataset."): value
        for key, value in values.items()
        if key.startswith(start) and ".pipeline" not in key
        if value != "PseudoLabelDataset"
    }
    return json.dumps(own, sort_keys=True)


def _split(name: str, pairs: list[tuple[str, Any]]) -> str:
    """Name the values that rows have, and those rows that have the rarer ones."""
    rows: dict[str, list[str]] = {}
    for row, value in pairs:
        rows.setdefault("none" if value is None else str(value), []).append(row)
    if len(rows) < 2:
        return ""
    usual, *others = sorted(rows, key=lambda value: -len(rows[value]))
    shown = [
        f"{value} ({', '.join(f'`{row}`' for row in dict.fromkeys(rows[value]))})"
        for value in others
    ]
    return f"{name} {usual}, but {', '.join(shown)}"
