"""The work folder of a training that begins: one writer, and nothing of another."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from mmengine.config import Config

from mmseg_cosda.checkpoint.newest import NAME, checkpoints_in
from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import TRAINING, FolderLock

STARTED = re.compile(r"\d{8}_\d{6}|evaluated")
"""Folders of logs and evaluations in a work folder, one per start."""

WRITTEN = re.compile(
    NAME.pattern + r"|best_.+\.pth|last_(checkpoint|evaluation)|\.replaced\.json"
    r"|training\.json"
)
"""Files of a training in a work folder."""


def take_work_dir(cfg: Config, overwrite: bool) -> FolderLock:
    """Hold a training's folder, and refuse to begin over another training.

    Here because the Runner writes its config and a log before anything else can object.
    Of several processes the first holds the folder; those of slurm and mpi, which are
    numbered later, are told apart by the Runner alone, and hold it from then on.

    Args:
        cfg: With ``work_dir``, ``resume`` and ``launcher``.
        overwrite: Remove what another training left there first.

    Returns:
        The lock; it is free when it is released, and when this process is dead.

    Raises:
        UserError: If another process trains there, or the folder holds checkpoints and
            neither ``resume`` nor ``overwrite`` is given.
    """
    folder = Path(cfg.work_dir)
    lock = FolderLock(folder, TRAINING)
    first = cfg.launcher == "none" or (
        cfg.launcher == "pytorch" and os.environ.get("RANK") == "0"
    )
    if first:
        cure = "wait until it has ended, stop it, or choose another --work-dir"
        lock.require(f"--work-dir {folder}", cure)
    found = checkpoints_in(folder)
    if found and not cfg.resume and not overwrite:
        lock.release()
        raise UserError(
            f"--work-dir {folder} holds checkpoints of a training ({found[0].name}): "
            f"go on with it by --resume, begin anew in its place by --overwrite, or "
            f"choose another --work-dir"
        )
    if first and overwrite and not cfg.resume:
        remove_training(folder)
    return lock


def remove_training(folder: Path) -> None:
    """Remove what a training left in its work folder: checkpoints, logs, evaluations.

    Args:
        folder: A work folder; files of other names stay.
    """
    for path in folder.iterdir():
        if path.is_file() and WRITTEN.fullmatch(path.name):
            path.unlink()
        elif path.is_dir() and STARTED.fullmatch(path.name):
            shutil.rmtree(path)
