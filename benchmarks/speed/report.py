"""Measured rows, beside their bounds, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mmseg_cosda.files import atomic_write


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Args:
        device: "cpu" or "cuda".
        rounds: Interleaved rounds; ratios are the median over them.
        quick: Small sizes: a look, at which no bound is judged.
    """

    device: str = "cpu"
    rounds: int = 5
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Args:
        section: Such as "loss".
        what: What was measured, against what.
        value: The figure; None where it could not be measured.
        unit: "x" for a ratio, else such as "s", "MiB", "kernels".
        bound: The most that it may be; None where nothing is promised.
        note: Such as the sizes, or why it was not run.
    """

    section: str
    what: str
    value: float | None
    unit: str = "x"
    bound: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return "holds", "MISSED", "not run", or "" where nothing is promised."""
        if self.value is None:
            return "not run"
        if self.bound is None:
            return ""
        return "holds" if self.value <= self.bound else "MISSED"


def format_table(rows: Iterable[Row], judge: bool = True) -> str:
    """Return the rows as a Markdown table.

    Args:
        rows: What was measured.
        judge: Whether to hold the values against their bounds.

    Returns:
        The table.

    Examples:
        >>> print(format_table([Row("loss", "time against naive", 0.6, "x", 0.62)]))
        | section | what | value | bound | verdict | note |
        |---|---|---|---|---|---|
        | loss | time against naive | 0.6 x | 0.62 x | holds |  |
    """
    lines = ["| section | what | value | bound | verdict | note |", "|---" * 6 + "|"]
    for row in rows:
        value = "" if row.value is None else f"{row.value:.3g} {row.unit}"
        bound = "" if row.bound is None else f"{row.bound:g} {row.unit}"
        verdict = row.verdict if judge or row.value is None else ""
        cells = [row.section, row.what, value, bound, verdict, row.note]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine(settings: Settings) -> dict[str, Any]:
    """Return what the figures depend on: hardware, versions, commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    on_gpu = settings.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if on_gpu else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit or "unknown",
        "settings": asdict(settings),
    }


def write_json(path: Path, rows: Sequence[Row], settings: Settings) -> None:
    """Write the rows and the machine they were measured on, whole or not at all."""
    results = [{**asdict(row), "verdict": row.verdict} for row in rows]
    report = {"machine": machine(settings), "rows": results}
    with atomic_write(path) as file:
        file.write(json.dumps(report, indent=2).encode() + b"\n")


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
