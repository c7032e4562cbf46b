"""Does what lies in a folder belong to the run that wants to take it up?

Folders and files are named by row and seed, which other options, an edited config or
other data don't change. So what a training was made with is kept in its work folder
(:mod:`mmseg_cosda.engine.run_record`), goes from there into its result file and beside
its pseudo-labels, and is compared before any of them is taken up. What counts says
:func:`~mmseg_cosda.engine.run_record.comparable`; where it differs, the run is refused.
Another commit of this package is named and accepted, as most change nothing in a
training. What an earlier version left has no record: it is accepted, which is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_cosda.checkpoint.newest import checkpoints_in
from mmseg_cosda.engine.run_data import Identity, data_identity
from mmseg_cosda.engine.run_record import (
    Start,
    code_name,
    config_values,
    differences,
    package_state,
    read_record,
    write_record,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.options import read_options
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.work_dir import read_lines

SHORT = 7
_IDENTITIES: dict[str, Identity] = {}


def wanted_start(plan: Plan, run: Run) -> Start:
    """Return what a run's training would be made with now.

    Args:
        plan: Where everything is.
        run: Any run.

    Returns:
        As a start of a record; ``data`` is empty where the data isn't at hand.
    """
    cfg = read_options(plan.config(run), plan.train_options(run))
    return {
        "values": config_values(cfg),
        "seed": run.seed,
        **package_state(),
        "data": _identity(cfg),
    }


def _identity(cfg: Config) -> Identity:
    loaders = (cfg.train_dataloader, cfg.get("val_dataloader") or {})
    datasets = [loader.get("dataset") for loader in loaders]
    key = json.dumps(datasets, default=str)
    if key not in _IDENTITIES:
        try:
            built = [each and DATASETS.build(each) for each in datasets]
        except Exception:  # not here yet, or what the training itself will say
            return {}
        _IDENTITIES[key] = data_identity(*built)
    return _IDENTITIES[key]


def check_result(plan: Plan, run: Run, result: Mapping[str, Any]) -> str:
    """Compare a result with the run that it is taken for.

    Args:
        plan: Where everything is.
        run: The run.
        result: What its file holds.

    Returns:
        What there is to say of it, "" for nothing.

    Raises:
        UserError: If its training was made with something else.
    """
    path = plan.result(run)
    cure = (
        "choose other folders with --results and --work-dir, or remove the file and "
        "the run's work folder"
    )
    if run.row.average:
        return ""
    starts = result.get("record") or []
    if not starts:
        return "its training left no record, so that options alone are compared"
    return _compare(str(path), starts, wanted_start(plan, run), cure)


def check_work_dir(plan: Plan, run: Run) -> str:
    """Compare the training in a run's work folder with the run.

    Args:
        plan: Where everything is.
        run: The run.

    Returns:
        What there is to say of a training that is taken up; "" without one.

    Raises:
        UserError: If it was made with something else.
    """
    folder = plan.work_dir(run)
    if not checkpoints_in(folder) and not read_lines(folder):
        return ""
    starts = read_record(folder)
    if not starts:
        return (
            "takes up a training that left no record: what it was made with can't be "
            "compared"
        )
    cure = f"choose another --work-dir, or remove {folder}"
    return _compare(str(folder), starts, wanted_start(plan, run), cure)


def label_state(folder: Path) -> Path:
    """Return the folder beside pseudo-labels that says whose they are."""
    return folder.parent / f".{folder.name}.state"


def note_teacher(plan: Plan, teacher: Run, folder: Path) -> None:
    """Write beside pseudo-labels what their teacher was made with."""
    starts = read_record(plan.work_dir(teacher))
    if starts:
        write_record(label_state(folder), starts)


def check_labels(plan: Plan, teacher: Run, folder: Path) -> str:
    """Compare finished pseudo-labels with the teacher that they should be of.

    Args:
        plan: Where everything is.
        teacher: The run.
        folder: Of the pseudo-labels.

    Returns:
        What there is to say of them, "" for nothing.

    Raises:
        UserError: If their teacher was made with something else.
    """
    starts = read_record(label_state(folder))
    if not starts:
        return f"takes the pseudo-labels in {folder}, whose teacher left no record"
    cure = f"choose another --work-dir, or remove {folder}"
    wanted = wanted_start(plan, teacher)
    return _compare(f"pseudo-labels in {folder}", starts, wanted, cure)


def _compare(
    place: str, starts: Sequence[Mapping[str, Any]], wanted: Start, cure: str
) -> str:
    """Refuse starts that aren't what is wanted; return what else there is to say."""
    for start in starts:
        found = list(differences(start, wanted))
        if found:
            key, old, new = found[0]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise UserError(
                f"{place}: the training was made with {key}={_text(old)}, wanted is "
                f"{_text(new)}{more}: {cure}"
            )
    notes = []
    if starts[0]["iteration"] > 0:
        notes.append(f"no record of its first {starts[0]['iteration']:,} iterations")
    codes = list(dict.fromkeys(code_name(start) for start in starts))
    if codes != [code_name(wanted)]:
        shown = ", ".join(map(short_code, codes))
        notes.append(f"trained at {shown}, now {short_code(code_name(wanted))}")
    stored, now = starts[-1]["data"], wanted["data"]
    if stored and not now:
        notes.append("its data isn't here to be compared")
    touched = [
        part
        for part in stored.keys() & now.keys()
        if stored[part].get("dates", now[part]["dates"]) != now[part]["dates"]
    ]
    if touched:
        notes.append(
            f"files of {', '.join(sorted(touched))} have other dates, with the same "
            "names and sizes"
        )
    return "; ".join(notes)


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)


def short_code(code: str) -> str:
    """Shorten a commit as git does; a version stays as it is.

    Examples:
        >>> short_code("e4b29932a66b2331e2681b4fdad2d8df27258050-changed")
        'e4b2993-changed'
        >>> short_code("version 0.1.0")
        'version 0.1.0'
    """
    head, dash, rest = code.partition("-")
    is_commit = len(head) > SHORT and set(head) <= set("0123456789abcdef")
    return f"{head[:SHORT]}{dash}{rest}" if is_commit else code
