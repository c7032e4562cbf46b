"""tools/generate_pseudo_labels.py on the tiny project, whole or interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import mmseg_cosda.pseudo_labels.generation as generation
from helpers.pseudo_label_project import NAMES, Project, write_config
from helpers.tools import TOOLS, load_tool
from mmseg_cosda.pseudo_labels.prediction import predict_confidence

ROOT = Path(__file__).parents[2]
TOOL = TOOLS / "generate_pseudo_labels.py"
tool = load_tool("generate_pseudo_labels")


def generate(project: Project, *options: str) -> dict[str, Any]:
    tool.main([*project.command, "--device", "cpu", "--workers", "0", *options])
    return dict(json.loads((project.out / "report.json").read_text()))


def change(project: Project, **options: Any) -> None:
    config = Config.fromfile(project.config)
    config.merge_from_dict(options)
    write_config(project.config, config.to_dict())


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


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
