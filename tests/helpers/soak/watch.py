"""A training seen from outside: how far it is, what it holds in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

TAIL = 8192


def iteration_of(work_dir: Path) -> int:
    """Return the last iteration that a training's newest start has logged, 0 for none.

    Args:
        work_dir: Its work folder.
    """
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"))
    if not logs:
        return 0
    with logs[-1].open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, LookupError, TypeError):  # cut off, or of another kind
            continue
    return 0


def starts_of(work_dir: Path) -> int:
    """Return how many starts have logged something."""
    return len(list(work_dir.glob("*/vis_data/scalars.json")))


def names_in(work_dir: Path) -> set[str]:
    """Return the names of files in a work folder, temporary ones among them."""
    try:
        return {entry.name for entry in os.scandir(work_dir) if entry.is_file()}
    except FileNotFoundError:
        return set()


def resident(pid: int) -> tuple[int, int]:
    """Return the resident memory of a process, and of its data workers, in KiB."""
    return _resident(pid), sum(map(_resident, _below(pid)))


def _resident(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(found[0].split()[1]) if found else 0


def _below(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _below(child)
