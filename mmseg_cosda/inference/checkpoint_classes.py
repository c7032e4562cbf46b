"""Whether a checkpoint's classes are those of the data that a tool predicts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import is_main_process

from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight.loaded_classes import classes_of, compare_loaded


def require_classes(
    meta: Mapping[str, Any], checkpoint: str, place: str, classes: Sequence[str]
) -> None:
    """Refuse a checkpoint whose ids mean other classes than a dataset's.

    Args:
        meta: The checkpoint's ``meta``; without class names it is taken as it is, and
            said so in a line.
        checkpoint: The file, for the error.
        place: What to call the dataset.
        classes: Its class names.

    Raises:
        UserError: Of :func:`~mmseg_cosda.preflight.loaded_classes.compare_loaded`.

    Examples:
        >>> meta = {"dataset_meta": {"classes": ["road", "sky"]}}
        >>> require_classes(meta, "a.pth", "val_dataloader.dataset", ["sky", "road"])
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: checkpoint a.pth has the classes of
        val_dataloader.dataset in another order: id 0 is 'road' there, 'sky' here ...
    """
    name = f"checkpoint {checkpoint}"
    finding = compare_loaded(name, classes_of(meta), place, classes)
    if finding is None:
        return
    if finding.level == "error":
        raise UserError(finding.text)
    if is_main_process():
        print(finding.text, file=sys.stderr)
