"""What trainings leave behind, written by hand: logs and result files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def evaluation(step: int, miou: float, **classes: float) -> dict[str, Any]:
    values = {f"IoU.{name}": value for name, value in classes.items()}
    return {"aAcc": 90.0, "mIoU": miou, **values, "time": 0.1, "step": step}


def train_line(step: int, **values: float) -> dict[str, Any]:
    return {"lr": 0.1, **values, "data_time": 0.1, "iter": step, "step": step}


def write_log(folder: Path, start: str, *lines: Mapping[str, Any]) -> Path:
    """A start of a training; returns its work folder."""
    path = folder / start / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_result(path: Path, miou: Mapping[int, float], **changes: Any) -> Path:
    """A result file with a class ``car`` at half the mIoU; None removes a key."""

    def entry(step: int) -> dict[str, Any]:
        half = {"car": miou[step] / 2}
        return {"step": step, "mIoU": miou[step], "per_class": half}

    result: dict[str, Any] = {
        "best": entry(max(miou, key=lambda step: miou[step])),
        "last": entry(max(miou)),
        "curve": {"step": [*miou], "mIoU": [*miou.values()]},
        "curve_per_class": {"car": [value / 2 for value in miou.values()]},
        "training": {"step": [5, 15], "loss": [2.0, 1.0], "rare": [None, 4.0]},
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({k: v for k, v in result.items() if v is not None}))
    return path


def write_state(folder: Path, step: int, time: str = "20260101_000000") -> Path:
    """The least that a training goes on from, without weights."""
    meta = {"iter": step, "epoch": 0, "time": time}
    path = folder / f"iter_{step}.pth"
    torch.save({"meta": meta, "state_dict": {}, "optimizer": {}}, path)
    return path
