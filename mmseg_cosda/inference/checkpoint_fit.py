"""Does a checkpoint fit a model?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn

from mmseg_cosda.commands import command
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.checkpoint_classes import require_classes
from mmseg_cosda.models.segmentors import UDAEncoderDecoder
from mmseg_cosda.preflight.weights import compare_weights, misfit, shapes

# Modules that prediction never calls.
TRAINING_ONLY = ("alignments.", "auxiliary_head.", "data_preprocessor.", "teacher.")


class CheckpointFitHook(Hook):
    """Refuse a checkpoint of another model, which the host would load in part.

    In a test of a host's segmentor its classes are compared with the data's too; ours
    does that itself.

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
        loop = getattr(runner, "_test_loop", None)
        if isinstance(loop, BaseLoop) and not isinstance(model, UDAEncoderDecoder):
            classes = loop.dataloader.dataset.metainfo.get("classes")
            if classes:
                meta = checkpoint.get("meta") or {}
                require_classes(meta, self.name, "test_dataloader.dataset", classes)


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
    wanted = {
        key: shape
        for key, shape in shapes(model.state_dict()).items()
        if not key.startswith(ignore)
    }
    state = {re.sub(r"^module\.", "", str(k)): v for k, v in found.items()}
    fit = compare_weights(wanted, shapes(state))
    if fit.is_another_net and fit.unfit:
        raise UserError(misfit(fit, f"checkpoint {name}"))
    bad = [key for key in wanted if key in set(fit.unfit)]
    if bad:
        names = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"checkpoint {name} is of another model than the config: {len(bad)} of "
            f"{len(fit.wanted)} weights are missing or of another shape ({names}). "
            f"Give the config it was trained with; a public checkpoint is converted "
            f"by `{command('convert_checkpoint')}` first"
        )
