"""The cosine loss that a config trains with, its queues empty and traced."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.config import type_name
from mmseg_cosda.errors import UserError
from mmseg_cosda.matches.traced_queue import TracedQueue
from mmseg_cosda.models.alignments.class_wise_cosine_loss import ClassWiseCosineLoss
from mmseg_cosda.models.segmentors.parts import with_num_classes
from mmseg_cosda.models.taps import check_taps


def cosine_alignment(cfg: Mapping[str, Any], name: str | None = None) -> str:
    """Return the name of a config's cosine alignment.

    Args:
        cfg: A whole config.
        name: Which, where there are several.

    Raises:
        UserError: If there is none, or several and no name.

    Examples:
        >>> cosine = dict(type="ClassWiseCosineLoss")
        >>> alignments = dict(cosine=cosine, adversarial=None)
        >>> cosine_alignment(dict(model=dict(alignments=alignments)))
        'cosine'
    """
    alignments = (cfg.get("model") or {}).get("alignments") or {}
    kinds = {key: type_name(each) for key, each in alignments.items() if each}
    found = [key for key, kind in kinds.items() if kind == "ClassWiseCosineLoss"]
    if name in found or (name is None and len(found) == 1):
        return name or found[0]
    if not found:
        others = (
            ", ".join(f"{key} ({kind})" for key, kind in kinds.items()) or "nothing"
        )
        raise UserError(
            "the config has no cosine loss, whose matches are shown: model.alignments "
            f"holds {others}. Take one of configs/cosda/, or of its ablations/ without "
            "_no-class-split"
        )
    asked = "several cosine losses" if name is None else f"no cosine loss {name!r}"
    raise UserError(
        f"the config has {asked} in model.alignments: give --alignment, one of "
        f"{', '.join(found)}"
    )


def build_alignment(
    cfg: Mapping[str, Any], name: str, model: nn.Module, per_class: int | None = None
) -> ClassWiseCosineLoss:
    """Build a config's cosine loss with queues that remember origins.

    Args:
        cfg: A whole config.
        name: Of the alignment.
        model: The segmentor, for the taps.
        per_class: At most this many random features per class and image enter the
            queues; None for the config's ``enqueue_limit``.

    Returns:
        The loss, its queues empty. One that trains without a queue gets one here.

    Raises:
        UserError: If the loss doesn't split by class.
        ValueError: If an option is out of range or a tap names no module.
    """
    options = copy.deepcopy(dict(cfg["model"]["alignments"][name]))
    place = f"model.alignments.{name}"
    if not options.get("class_wise", True):
        raise UserError(
            f"{place}.class_wise=False: it compares all with all, so that no match "
            "has a class to show; take a config that splits by class"
        )
    if not options.get("split_target", True):
        raise UserError(
            f"{place}.split_target=False: it compares a target pixel with all classes; "
            "what its own class would pull it to is shown with --cfg-options "
            f"{place}.split_target=True"
        )
    options["use_queue"] = True
    if per_class is not None:
        options["enqueue_limit"] = per_class
    loss: ClassWiseCosineLoss = MODELS.build(with_num_classes(options, model))
    check_taps(model, loss.feature_paths, place)
    for tap in loss.taps:
        loss.replace_queue(tap, TracedQueue.like(loss.queue(tap)))
    return loss


def restore_means(
    loss: ClassWiseCosineLoss, name: str, weights: Mapping[str, Tensor]
) -> None:
    """Load the running means that a loss with centering subtracts.

    Args:
        loss: Of :func:`build_alignment`.
        name: Of the alignment.
        weights: State dict of a checkpoint; of a training without centering it has no
            means, and those of the first source image are taken.
    """
    prefix = f"alignments.{name}.means."
    own = loss.means.state_dict()
    found = {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        if key.startswith(prefix)
    }
    fitting = {k: v for k, v in found.items() if k in own and v.shape == own[k].shape}
    loss.means.load_state_dict(fitting, strict=False)
