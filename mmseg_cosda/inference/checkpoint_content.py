"""What a checkpoint says besides its weights, and whether they are numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor

from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.errors import UserError


def read_content(checkpoint: str) -> dict[str, Any]:
    """Read a checkpoint as data; tensors stay in the file until they are used.

    Args:
        checkpoint: File or URL.

    Returns:
        With ``state_dict`` and ``meta``, of which the second may be empty.

    Raises:
        UserError: If it can't be read or holds no weights.
    """
    content: Any
    if "://" in checkpoint:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    elif os.path.isfile(os.path.expanduser(checkpoint)):
        content = load_checkpoint_file(checkpoint, map_location="cpu", mmap=True)
    else:
        raise UserError(
            f"checkpoint {checkpoint} does not exist (looked for from {os.getcwd()})"
        )
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise UserError(f"checkpoint {checkpoint} holds a {kind}, no weights")
    weights = content.get("state_dict", content)
    meta = content.get("meta")
    return {
        **(content if "state_dict" in content else {}),
        "state_dict": {str(k).removeprefix("module."): v for k, v in weights.items()},
        "meta": dict(meta) if isinstance(meta, Mapping) else {},
    }


def require_finite(weights: Mapping[str, Any], checkpoint: str) -> None:
    """Refuse weights that are no numbers: such a net predicts one class everywhere.

    Args:
        weights: By name.
        checkpoint: The file, for the error.

    Raises:
        UserError: Naming the first weight that is NaN or infinite.

    Examples:
        >>> import torch
        >>> require_finite({"a": torch.tensor([1.0, float("nan")])}, "a.pth")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: checkpoint a.pth: 1 of 1 weights are NaN or
        infinite (a). Its training diverged: take an earlier checkpoint, ...
    """
    tensors = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
    bad = [k for k, v in tensors.items() if not bool(v.isfinite().all())]
    if bad:
        names = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"checkpoint {checkpoint}: {len(bad)} of {len(tensors)} weights are NaN or "
            f"infinite ({names}). Its training diverged: take an earlier checkpoint, "
            "or train with a lower rate"
        )
