"""tools/generate_pseudo_labels.py on the tiny project, whole or interrupted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import mmseg_cosda.pseudo_labels.generation as generation
from helpers.pseudo_label_project import NAMES, Project, write_config
from helpers.tools import load_tool
from mmseg_cosda.inference.confidence import predict_confidence

tool = load_tool("generate_pseudo_labels")


def arguments(project: Project, *options: str) -> list[str]:
    return [*project.command, "--device", "cpu", "--workers", "0", *options]


def generate(project: Project, *options: str) -> dict[str, Any]:
    tool.main(arguments(project, *options))
    return dict(json.loads((project.out / "report.json").read_text()))


def generate_as_tool(args: list[str]) -> None:
    tool.main(args)


def generate_until_killed(args: list[str]) -> None:
    """Be killed by the system as the third pseudo-label is written."""
    png = generation._png
    written: list[int] = []

    def kill_after_two(label: Any) -> bytes:
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        written.append(1)
        return png(label)

    generation._png = kill_after_two
    tool.main(args)


def generate_as_rank(rank: int, port: int, args: list[str]) -> None:
    """Run the tool as torchrun starts it, as one of two processes."""
    environment = dict(RANK=rank, WORLD_SIZE=2, LOCAL_RANK=rank, MASTER_PORT=port)
    os.environ.update({key: str(value) for key, value in environment.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    tool.main(args)


def change(project: Project, **options: Any) -> None:
    config = Config.fromfile(project.config)
    config.merge_from_dict(options)
    write_config(project.config, config.to_dict())


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder; of its report without the times at which they came."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    if "report.json" in found:
        report = json.loads(found["report.json"])
        for name, record in report["files"].items():
            size, _, crc = record.split()
            report["files"][name] = f"{size} {crc}"
        found["report.json"] = json.dumps(report).encode()
    return found


def labels(folder: Path) -> list[np.ndarray[Any, Any]]:
    names = sorted(f"{name}_img.png" for name in NAMES)
    return [np.array(Image.open(folder / name)) for name in names]


class PowerCutError(Exception):
    """As a power cut, but inside the process."""


def interrupt_after(
    images: int, target: Callable[..., Any], calls: list[int]
) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if len(calls) == images:
            raise PowerCutError
        calls.append(1)
        return target(*args, **kwargs)

    return wrapped


def count_forwards(monkeypatch: pytest.MonkeyPatch, stop: int = 99) -> list[int]:
    calls: list[int] = []
    wrapped = interrupt_after(stop, predict_confidence, calls)
    monkeypatch.setattr(generation, "predict_confidence", wrapped)
    return calls
