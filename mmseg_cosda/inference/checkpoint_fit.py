"""Does a checkpoint fit a model?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmseg_cosda.commands import command
from mmseg_cosda.errors import UserError

# Modules that prediction never calls.
TRAINING_ONLY = ("alignments.", "auxiliary_head.", "data_preprocessor.")


class CheckpointFitHook(Hook):
    """Refuse a checkpoint of another model, which the host would load in part.

    Args:
        name: The file, for the error.
        ignore: Prefixes of weights that may be missing.
    """

    def __init__(self, name: str, ignore: tuple[str, ...] = ()) -> None:
        self.name, self.ignore = name, ignore

    def after_load_checkpoint(self, runner: Runner, checkpoint: Any) -> None:
        """Compare what was read with the model, before it is loaded."""
        model = runner.model
        while hasattr(model, "module"):  # a process group's or augmentation's wrapper
            model = model.module
        require_fit(model, checkpoint, self.name, self.ignore)


def require_fit(
    model: nn.Module, checkpoint: Any, name: str, ignore: tuple[str, ...] = ()
) -> None:
    """Check that a checkpoint holds every weight of a model.

    Args:
        model: The model.
        checkpoint: A state_dict or mmengine's dict around one.
        name: What to call the checkpoint in the error.
        ignore: Prefixes of weights that may be missing.

    Raises:
        UserError: If weights are missing or of another shape.

    Examples:
        >>> require_fit(nn.Linear(2, 3), {"weight": nn.Linear(2, 3).weight}, "a.pth")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: checkpoint a.pth is of another model than the
        config: 1 of 2 weights are missing or of another shape (bias)...
    """
    if not isinstance(checkpoint, Mapping):
        kind = type(checkpoint).__name__
        raise UserError(f"checkpoint {name} holds a {kind}, not the weights of a model")
    found = checkpoint.get("state_dict", checkpoint)
    shapes = {
        re.sub(r"^module\.", "", str(key)): getattr(value, "shape", None)
        for key, value in found.items()
    }
    wanted = {
        key: value.shape
        for key, value in model.state_dict().items()
        if not key.startswith(ignore) and "num_batches_tracked" not in key
    }
    bad = [key for key, shape in wanted.items() if shapes.get(key) != shape]
    if bad:
        names = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"checkpoint {name} is of another model than the config: {len(bad)} of "
            f"{len(wanted)} weights are missing or of another shape ({names}). Give "
            f"the config it was trained with; a public checkpoint is converted by "
            f"`{command('convert_checkpoint')}` first"
        )
