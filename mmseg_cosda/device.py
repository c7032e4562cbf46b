"""The device that a tool runs a model on."""

from __future__ import annotations

import os

import torch

from mmseg_cosda.errors import UserError


def choose_device(name: str | None) -> str:
    """Return the device of this process.

    Args:
        name: Of the option ``--device``; None for a GPU if there is one. ``"cuda"``
            becomes the GPU of this process.

    Raises:
        UserError: If there is no such device.

    Examples:
        >>> choose_device("cpu")
        'cpu'
    """
    if name in (None, "cuda"):
        if torch.cuda.is_available():
            return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        if name is None:
            return "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"--device {name}: this machine has no such device; take --device cpu"
        ) from error
    return str(name)
