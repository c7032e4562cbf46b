"""What a training was made with, kept in its work folder for who takes it up later."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg_cosda.commands import PACKAGE
from mmseg_cosda.engine.config_changes import NAMED, UNNAMED, leaves
from mmseg_cosda.engine.run_data import data_identity
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write
from mmseg_cosda.version import __version__

RECORD = "training.json"
"""The record's file in a work folder."""
FORMAT = 1
Start = dict[str, Any]
"""One start of a training: from which iteration on it was made with what."""
SEED = "randomness.seed"
COUNTED = (
    *NAMED,
    *("val_dataloader", "val_evaluator", "val_cfg", "data_preprocessor"),
    *("custom_hooks", "randomness", "load_from"),
)
"""First keys of the config values that decide what a training and its figures are."""
FOLDERS = ("data_root", "pseudo_label_dir")
"""Keys of folders, which may lie anywhere: what they hold is the data's identity."""
CHECKPOINTS = ("load_from", "checkpoint", "pretrained")
WATCHING = ("AlignmentReportHook", "MatchDiagnosisHook")
"""Hooks that log and change nothing."""


def new_start(runner: Any, iteration: int) -> Start:
    """Say what a Runner trains with, from an iteration on.

    Args:
        runner: About to train, its datasets built.
        iteration: How many are done.

    Returns:
        Plain values: ``iteration``, ``time``, ``arguments`` of the command, ``config``
        (its path below ``configs/``), ``values`` (every value of the config, by dotted
        key), ``seed``, ``version``, ``commit`` and ``clean`` of this package, ``data``.
    """
    loop = runner.val_loop
    validation = None if loop is None else loop.dataloader.dataset
    return {
        "iteration": iteration,
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "arguments": sys.argv[1:],
        "config": config_name(getattr(runner.cfg, "filename", None)),
        "values": config_values(runner.cfg),
        "seed": runner.seed,
        **package_state(),
        "data": data_identity(runner.train_dataloader.dataset, validation),
    }


def config_values(cfg: Any) -> dict[str, Any]:
    """Return all values of a config by dotted key, as JSON holds them."""
    values = dict(leaves(cfg.to_dict() if hasattr(cfg, "to_dict") else dict(cfg)))
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def config_name(filename: str | None) -> str | None:
    """Return a config's path below the last folder ``configs``, else its name.

    Examples:
        >>> config_name("/home/me/configs/cosda/a.py"), config_name("mine/a.py")
        ('cosda/a.py', 'a.py')
    """
    if not filename:
        return None
    parts = Path(filename).parts
    first = max((i for i, part in enumerate(parts) if part == "configs"), default=-2)
    return "/".join(parts[first + 1 :]) if first >= 0 else parts[-1]


@functools.cache
def package_state() -> dict[str, Any]:
    """Return this package's version, and its commit where it lies in a checkout.

    Returns:
        ``version``; ``commit``, None from a wheel or without git; ``clean``, whether
        code and configs are those of the commit, None without one.
    """
    root, state = PACKAGE.parent, {"version": __version__}
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() == root:
            head = _git(root, "rev-parse", "HEAD")
            places = ("mmseg_cosda", "configs", "tools")
            changed = _git(root, "status", "--porcelain", "--", *places)
            return {**state, "commit": head, "clean": not changed}
    except (OSError, subprocess.CalledProcessError):
        pass
    return {**state, "commit": None, "clean": None}


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def code_name(start: Mapping[str, Any]) -> str:
    """Say which code a start ran: the commit, with "-changed" if it was edited.

    Examples:
        >>> code_name({"commit": "0123abc", "clean": False, "version": "1.0"})
        '0123abc-changed'
        >>> code_name({"commit": None, "clean": None, "version": "1.0"})
        'version 1.0'
    """
    if not start.get("commit"):
        return f"version {start.get('version')}"
    return str(start["commit"]) + ("" if start.get("clean") else "-changed")


def record_start(folder: Path, start: Start, former: Sequence[Start] = ()) -> None:
    """Write a training's record, with a start that begins or goes on.

    Args:
        folder: The work folder.
        start: What the training is made with from now on.
        former: The starts of the training that goes on; those from this one's iteration
            on are forgotten, as what they trained is. The start is added only where it
            is made with something else than the last.
    """
    starts = [each for each in former if each["iteration"] < start["iteration"]]
    now = comparable(start)
    same = starts and comparable(starts[-1]) == now
    if not same or code_name(starts[-1]) != code_name(start):
        starts.append(start)
    write_record(folder, starts)


def write_record(folder: Path, starts: Sequence[Start]) -> None:
    """Write a record's file, whole or not at all."""
    record = {"format": FORMAT, "starts": list(starts)}
    with atomic_write(folder / RECORD) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())


def read_record(folder: Path) -> list[Start]:
    """Read what a training was made with.

    Args:
        folder: A work folder.

    Returns:
        Its starts in order, none of a training of an earlier version, which kept no
        record. The first may begin behind iteration 0: what came before kept none.

    Raises:
        UserError: If the file is no record.
    """
    path = folder / RECORD
    if not path.is_file():
        return []
    try:
        record = json.loads(path.read_text())
        starts = [dict(start) for start in record["starts"]]
        for start in starts:
            if type(start["iteration"]) is not int:
                raise TypeError("iteration is no integer")
            comparable(start)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no record of a training ({type(error).__name__}: {error}): "
            "remove it, if the folder's training is the one that you mean"
        ) from error
    return starts


def former_starts(folder: Path) -> tuple[list[Start], str]:
    """Read the record of a training that goes on, whatever is wrong with the file.

    Args:
        folder: A work folder.

    Returns:
        Its starts, and what there is to say.
    """
    try:
        return read_record(folder), ""
    except UserError as error:
        return [], f"{error}. A new record is begun"


def comparable(start: Mapping[str, Any]) -> Start:
    """Return of a start what decides whether two trainings are the same.

    It counts: model, data pipelines, loaders, optimizer, schedule, loop and evaluation,
    the seed, and which files the datasets list. It doesn't: where folders lie, the
    device, the number of workers, logs, checkpoints' intervals and
    pictures (``default_hooks``), the checks before the first iteration, and the
    package's commit, which is named instead. Of a checkpoint that a training begins
    with, the file's name counts.

    Args:
        start: Of a record.

    Returns:
        ``values``, ``seed`` and ``data``, without a path of a machine.
    """
    data = {
        part: {"files": found["files"], "digest": found["digest"]}
        for part, found in start["data"].items()
    }
    values = dict(_counted(start["values"]))
    return {"values": values, "seed": start["seed"], "data": data}


def _counted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kinds = {
        key.split(".")[1]: value
        for key, value in values.items()
        if re.fullmatch(r"custom_hooks\.\d+\.type", key)
    }
    kept = [number for number, kind in kinds.items() if kind not in WATCHING]
    for key, value in values.items():
        parts = key.split(".")
        if parts[0] not in COUNTED or key in (SEED, "model.preflight"):
            continue
        if parts[-1] in UNNAMED or parts[-1] in FOLDERS:
            continue
        if parts[0] == "custom_hooks":
            if len(parts) < 3 or parts[1] not in kept:
                continue
            parts[1] = str(kept.index(parts[1]))
        yield ".".join(parts), _without_place(parts[-1], value)


def _without_place(key: str, value: Any) -> Any:
    if isinstance(value, str) and (os.path.isabs(value) or key in CHECKPOINTS):
        return value.rstrip("/").rpartition("/")[2]
    return value


def differences(
    stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Name what two trainings were made with otherwise.

    Args:
        stored: A start, or what :func:`comparable` made of it.
        wanted: Another. Data that one of both says nothing of isn't compared.

    Yields:
        Key, stored value, wanted value; None for a value that isn't there.
    """
    old, new = (comparable(start) for start in (stored, wanted))
    if old["seed"] != new["seed"]:
        yield SEED, old["seed"], new["seed"]
    for key in sorted(old["values"].keys() | new["values"].keys()):
        values = old["values"].get(key), new["values"].get(key)
        if values[0] != values[1]:
            yield (key, *values)
    for part in sorted(old["data"].keys() & new["data"].keys()):
        then, now = old["data"][part], new["data"][part]
        if then != now:
            yield (f"data of {part}", _shown(then), _shown(now))


def _shown(data: Mapping[str, Any]) -> str:
    return f"{data['files']:,} files {data['digest']}"
