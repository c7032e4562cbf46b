"""A config's model with the weights of a checkpoint."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.inference.checkpoint_classes import require_classes
from mmseg_cosda.inference.checkpoint_content import read_content, require_finite
from mmseg_cosda.inference.checkpoint_fit import TRAINING_ONLY, require_fit
from mmseg_cosda.inference.low_memory import forget_unused_maps


def load_model(
    cfg: Mapping[str, Any],
    checkpoint: str,
    device: str,
    classes: Sequence[str] = (),
    place: str = "the dataset",
) -> Any:
    """Build the config's segmentor with the weights of a checkpoint, in eval mode.

    Args:
        cfg: A whole config.
        checkpoint: File or URL of a checkpoint of the host.
        device: Such as ``"cpu"`` or ``"cuda:0"``.
        classes: Of the data that it predicts, which the checkpoint's must be. None, the
            default, compares nothing.
        place: What to call these data in an error.

    Raises:
        UserError: If the checkpoint can't be read, lacks weights of the model, holds
            NaN or infinity, or has other classes.
    """
    weights, meta = _read(checkpoint)
    model = MODELS.build(prediction_config(cfg))
    require_fit(model, weights, checkpoint, TRAINING_ONLY)
    expected = model.state_dict()
    shared = {key: value for key, value in weights.items() if key in expected}
    require_finite(shared, checkpoint)
    if classes:
        require_classes(meta, checkpoint, place, classes)
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
    return _read(checkpoint)[0]


def _read(checkpoint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights and ``meta``; of optimizer state and queues nothing is read."""
    content = read_content(checkpoint)
    return content["state_dict"], content["meta"]


def weights_digest(model: torch.nn.Module) -> str:
    """Return a short digest of a model's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if not key.startswith(TRAINING_ONLY):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
