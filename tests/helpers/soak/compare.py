"""What two trainings left in their work folders, part by part and bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from helpers.soak.watch import names_in
from mmseg_cosda.work_dir import read_curve, read_lines

TIMES = ("time", "data_time", "eta", "memory", "grad_time")
"""What no two trainings share: last parts of names."""
PARTS = {
    "teacher": "teacher.",
    "alignments (queues, discriminators)": "alignments.",
    "segmentor": "",
}


def compare_runs(one: Path, other: Path, iterations: int) -> dict[str, tuple[str, str]]:
    """Compare two work folders.

    Args:
        one: Of the undisturbed training.
        other: Of the killed one.
        iterations: Of both.

    Returns:
        By part what it holds, and the first difference, "" for none.
    """
    states = [_load(folder / f"iter_{iterations}.pth") for folder in (one, other)]
    rows = {}
    taken: set[str] = set()
    for name, prefix in PARTS.items():
        keys = {k for k in states[0]["state_dict"] if k.startswith(prefix)} - taken
        if keys:
            taken |= keys
            rows[name] = _row(*(_only(s["state_dict"], keys, prefix) for s in states))
    both = [s["state_dict"].keys() for s in states]
    rows["names of weights"] = _row(*(dict.fromkeys(keys) for keys in both))
    for part in ("optimizer", "param_schedulers"):
        rows[part] = _row(*(state.get(part) for state in states))
    rows["training's notes"] = _row(*(_meta(state) for state in states))
    rows["each iteration's losses"] = _row(*(_scalars(state) for state in states))
    rows["evaluations"] = _row(*(_curve(folder) for folder in (one, other)))
    rows["log lines"] = _row(*(_log_lines(folder) for folder in (one, other)))
    rows["best checkpoint"] = _row(*(_best(folder) for folder in (one, other)))
    rows["best score"] = _row(*(_scores(state) for state in states))
    rows["files"] = _row(*(_files(folder) for folder in (one, other)))
    return rows


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=False, map_location="cpu")
    return content


def _only(state: Mapping[str, Any], keys: set[str], prefix: str) -> dict[str, Any]:
    chosen = {k for k in state if k in keys or (prefix and k.startswith(prefix))}
    return {key: state[key] for key in state if key in chosen}


def _row(one: Any, other: Any) -> tuple[str, str]:
    return _content(one), first_difference(one, other)


def _content(value: Any) -> str:
    tensors = list(_tensors(value))
    if tensors:
        return f"{len(tensors)} tensors, {sum(t.numel() for t in tensors):,} values"
    if isinstance(value, Mapping):
        short = len(value) <= 4 and len(str(value)) < 60
        return str(dict(value)) if short else f"{len(value)} entries"
    return str(value) if len(str(value)) < 60 else f"{len(value)} entries"


def _tensors(value: Any) -> Any:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def first_difference(one: Any, other: Any, place: str = "") -> str:
    """Return where two values first differ, bit for bit; "" if they don't.

    Examples:
        >>> first_difference({"a": [1, 2.0]}, {"a": [1, 2.5]})
        'a.1: 2.0, 2.5'
        >>> first_difference(torch.tensor([0.0]), torch.tensor([-0.0]), "w")
        'w: 1 of 1 values'
    """
    at = f"{place}: " if place else ""
    if type(one) is not type(other):
        return f"{at}{type(one).__name__}, {type(other).__name__}"
    if isinstance(one, Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return f"{at}{one.dtype} {one.shape}, {other.dtype} {other.shape}"
        differ = _bits(one) != _bits(other)
        values = int(differ.flatten(1).any(dim=1).sum()) if one.numel() else 0
        return f"{at}{values} of {one.numel()} values" if values else ""
    if isinstance(one, Mapping):
        if missing := sorted(map(str, one.keys() ^ other.keys())):
            return f"{at}only in one: {', '.join(missing[:5])}"
        parts = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return f"{at}{len(one)} entries, {len(other)} entries"
        parts = [(i, a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return (
            ""
            if one == other or (one != one and other != other)
            else (f"{at}{one}, {other}")
        )
    for key, a, b in parts:
        if found := first_difference(a, b, f"{place}.{key}".strip(".")):
            return found
    return ""


def _bits(tensor: Tensor) -> Tensor:
    flat = tensor.contiguous().reshape(-1, 1)
    return flat.view(torch.uint8) if flat.numel() else flat


def _meta(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint says of its training, but times and places."""
    skip = ("time", "cfg", "experiment_name", "hook_msgs")
    return {key: value for key, value in state["meta"].items() if key not in skip}


def _scalars(state: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return what was logged in each iteration."""
    buffers = state["message_hub"]["log_scalars"]
    return {
        name: buffer._log_history.tolist()
        for name, buffer in buffers.items()
        if name.rpartition("/")[2] not in TIMES
    }


def _curve(work_dir: Path) -> dict[int, dict[str, float]]:
    return {
        step: {key: value for key, value in metrics.items() if key not in TIMES}
        for step, metrics in read_curve(work_dir).items()
    }


def _log_lines(work_dir: Path) -> dict[int, dict[str, Any]]:
    """Return the values logged at each iteration, those of the last start."""
    values: dict[int, dict[str, Any]] = {}
    for line in read_lines(work_dir):
        if "step" in line:
            kept = {key: value for key, value in line.items() if key not in TIMES}
            values.setdefault(int(line["step"]), {}).update(kept)
    return dict(sorted(values.items()))


def _best(work_dir: Path) -> dict[str, Any]:
    found = sorted(work_dir.glob("best_*.pth"))
    return {path.name: _load(path)["state_dict"] for path in found}


def _scores(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best score, and the name of its checkpoint without its folder."""
    info = state["message_hub"]["runtime_info"]
    scores = {key: value for key, value in info.items() if key.startswith("best_")}
    return {
        key: Path(value).name if key.startswith("best_ckpt") else value
        for key, value in scores.items()
    }


def _files(work_dir: Path) -> list[str]:
    return sorted(names_in(work_dir))
