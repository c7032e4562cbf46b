"""A config's model with the weights of a checkpoint."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.checkpoint_content import require_finite
from mmseg_cosda.inference.checkpoint_fit import TRAINING_ONLY, require_fit
from mmseg_cosda.inference.low_memory import forget_unused_maps


def load_model(cfg: Mapping[str, Any], checkpoint: str, device: str) -> Any:
    """Build the config's segmentor with the weights of a checkpoint, in eval mode.

    Args:
        cfg: A whole config.
        checkpoint: File or URL of a checkpoint of the host.
        device: Such as ``"cpu"`` or ``"cuda:0"``.

    Raises:
        UserError: If the checkpoint can't be read, lacks weights of the model, or holds
            NaN or infinity.
    """
    weights = read_weights(checkpoint)
    model = MODELS.build(prediction_config(cfg))
    require_fit(model, weights, checkpoint, TRAINING_ONLY)
    expected = model.state_dict()
    shared = {key: value for key, value in weights.items() if key in expected}
    require_finite(shared, checkpoint)
    model.load_state_dict(shared, strict=False)
    forget_unused_maps(model)
    if torch.device(device).type == "cpu":
        model = revert_sync_batchnorm(model)
    return model.to(device).eval()


def prediction_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a model without what only training needs.

    Args:
        cfg: A whole config.

    Examples:
        >>> model = dict(type="EncoderDecoder", auxiliary_head=dict(type="FCNHead"))
        >>> prediction_config(dict(model=model))
        {'type': 'EncoderDecoder'}
    """
    model = copy.deepcopy(dict(cfg["model"]))
    if "alignments" in model:
        model["alignments"] = {}
    for training_only in ("auxiliary_head", "phases", "teacher", "reference"):
        model.pop(training_only, None)
    if cfg.get("data_preprocessor"):
        model.setdefault("data_preprocessor", cfg["data_preprocessor"])
    return model


def read_weights(checkpoint: str) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint, also of one that a process group wrote.

    Args:
        checkpoint: File or URL.

    Raises:
        UserError: If it can't be read.
    """
    content: Any
    if "://" in checkpoint:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    elif os.path.isfile(checkpoint):
        # Of a training checkpoint's optimizer state and queues nothing is read.
        content = load_checkpoint_file(checkpoint, map_location="cpu", mmap=True)
    else:
        raise UserError(
            f"checkpoint {checkpoint} does not exist (looked for from {os.getcwd()})"
        )
    weights = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {str(k).removeprefix("module."): v for k, v in weights.items()}


def weights_digest(model: torch.nn.Module) -> str:
    """Return a short digest of a model's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if not key.startswith(TRAINING_ONLY):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
