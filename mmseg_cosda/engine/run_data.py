"""Which data a training reads: a cheap digest of what its datasets list."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmseg_cosda.datasets.demo_files import SCHEME

Identity = dict[str, dict[str, Any]]
"""By part ("source", "target", "pseudo_labels", "validation"): number of files, digest
of their names and sizes, and digest of their dates."""
LENGTH = 16


def data_identity(training: Any, validation: Any = None) -> Identity:
    """Say which files datasets list, so that another list is told from the same one.

    Names count from the dataset's own folder on, with sizes in bytes and in the
    dataset's order, so that data copied to another machine or moved to another folder
    is the same. The files' dates, which copying changes, have a digest of their own.
    Rendered images (the demo) have names that hold all parameters, and no size. Nothing
    is read but the folders' entries: 25,000 images with labels take about a second.

    Args:
        training: A ``DomainPairDataset``, or any other dataset of training.
        validation: The dataset of validation; None without any.

    Returns:
        By part. A dataset that can't say what it lists isn't in it.
    """
    parts: dict[str, list[tuple[str, str]]] = {}
    named = dict(getattr(training, "domains", None) or {"training": training})
    if validation is not None:
        named["validation"] = validation
    for name, dataset in named.items():
        try:
            for kind, path, shown in _listed(dataset):
                part = kind or name
                parts.setdefault(part, []).append((path, shown))
        except Exception:  # of a dataset that isn't ours: no reason not to train
            parts.pop(name, None)
    return {name: _digest(files) for name, files in parts.items()}


def _listed(dataset: Any) -> Iterator[tuple[str, str, str]]:
    """Yield part, path and shown name of every file; the part "" is the dataset's."""
    roots = sorted({*_roots(dataset)}, key=len, reverse=True)
    for index in range(len(dataset)):
        info: Mapping[str, Any] = dataset.get_data_info(index)
        for key in ("img_path", "seg_map_path"):
            path = info.get(key)
            if path:
                labels = key == "seg_map_path" and info.get("pseudo_label")
                kind = "pseudo_labels" if labels else ""
                yield kind, str(path), _below(str(path), roots)


def _below(path: str, roots: list[str]) -> str:
    if path.startswith(f"{SCHEME}:"):
        return path
    for root in roots:
        if path.startswith(root):
            return path[len(root) :].replace(os.sep, "/")
    return os.path.basename(path) if os.path.isabs(path) else path


def _roots(dataset: Any) -> Iterator[str]:
    """Yield the folders that a dataset's files lie in, each with its last slash."""
    for part in (*getattr(dataset, "datasets", ()), getattr(dataset, "dataset", None)):
        if part is not None:
            yield from _roots(part)
    prefix = getattr(dataset, "data_prefix", None) or {}
    folders: list[Any] = [v for v in prefix.values() if isinstance(v, str)]
    folders += [
        getattr(dataset, key, None) for key in ("data_root", "pseudo_label_dir")
    ]
    for folder in folders:
        if folder:
            yield os.path.join(os.fspath(folder), "")


def _digest(files: list[tuple[str, str]]) -> dict[str, Any]:
    content, dates = hashlib.sha256(), hashlib.sha256()
    for path, shown in files:
        size, date = -1, 0
        if "://" not in path:
            try:
                found = os.stat(path)
                size, date = found.st_size, found.st_mtime_ns
            except OSError:  # the dataset's own error says so when it reads it
                pass
        content.update(f"{shown}\n{size}\n".encode())
        dates.update(f"{date}\n".encode())
    return {
        "files": len(files),
        "digest": content.hexdigest()[:LENGTH],
        "dates": dates.hexdigest()[:LENGTH],
    }
