"""The newest whole checkpoint of a work folder, whatever stands beside it."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmseg_cosda.checkpoint.integrity import check_zip_members, is_zip
from mmseg_cosda.checkpoint.loading import only_training_state, plain_errors
from mmseg_cosda.errors import UserError

NAME = re.compile(r"(?P<kind>iter|epoch)_(?P<number>\d+)\.pth")
"""As the host's ``CheckpointHook`` names what a training goes on from."""


class Found(NamedTuple):
    """What a folder holds to go on from.

    Args:
        path: The newest whole checkpoint; None without any.
        meta: What it says of itself besides its weights: ``iter``, ``seed``, ...
        damaged: Newer ones that can't be read: name and reason.
    """

    path: Path | None
    meta: Mapping[str, Any]
    damaged: tuple[tuple[str, str], ...] = ()

    @property
    def iteration(self) -> int | None:
        """The iteration it was written at; None without any."""
        return None if self.path is None else int(self.meta["iter"])


def checkpoints_in(folder: Path) -> list[Path]:
    """Return a folder's checkpoints of training, by the number in their names.

    Args:
        folder: A work folder, which needn't exist.

    Returns:
        ``iter_N.pth`` and ``epoch_N.pth``, the highest number first; the best one
        (``best_*``), which holds no optimizer, isn't among them.
    """
    if not folder.is_dir():
        return []
    named = [
        (int(match["number"]), path)
        for path in folder.iterdir()
        if (match := NAME.fullmatch(path.name)) and path.is_file()
    ]
    return [path for _, path in sorted(named, reverse=True)]


def newest_whole(folder: str | os.PathLike[str]) -> Found:
    """Find the checkpoint that a training goes on from.

    The folder alone counts: what its ``last_checkpoint`` says was true where it was
    written, and of files that are there no more. Which is newest is what the files
    themselves say (the second in which they were saved, then the iteration), as copying
    changes their dates and a training may have begun anew among another's files.

    Args:
        folder: A work folder, which needn't exist.

    Returns:
        The newest that is whole, part by part, and those newer that are not.
    """
    read, damaged = [], []
    for path in checkpoints_in(Path(folder)):
        try:
            meta = read_meta(path)
        except UserError as error:
            damaged.append((path, str(error)))
            continue
        read.append(((str(meta.get("time", "")), int(meta["iter"])), path, meta))
    read.sort(key=lambda entry: entry[0], reverse=True)
    for _, path, meta in read:
        try:
            if is_zip(path):
                check_zip_members(path, path.name)
        except UserError as error:
            damaged.append((path, str(error)))
            continue
        newer = tuple(_later(damaged, path))
        return Found(path, meta, newer)
    return Found(None, {}, tuple((path.name, text) for path, text in damaged))


def _later(damaged: list[tuple[Path, str]], path: Path) -> Iterator[tuple[str, str]]:
    order = checkpoints_in(path.parent)
    for other, text in damaged:
        if other in order and order.index(other) < order.index(path):
            yield other.name, text


def read_meta(path: Path) -> dict[str, Any]:
    """Read what a checkpoint of training says of itself; its tensors stay in the file.

    Args:
        path: The file.

    Returns:
        The host's ``meta``, with ``iter``.

    Raises:
        UserError: If it can't be read, or a training can't go on from it.
    """
    with plain_errors(path.name), only_training_state():
        zipped = is_zip(path) and zipfile.is_zipfile(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    meta = content.get("meta") if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(meta.get("iter"), int):
        raise UserError(f"checkpoint {path.name} holds weights alone")
    if "optimizer" not in content:
        raise UserError(f"checkpoint {path.name} holds no optimizer's state")
    return dict(meta)
