"""The parts of a segmentor that trains on two domains, checked where they enter."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn

from mmseg_cosda.models.alignments.base import BaseAlignment
from mmseg_cosda.models.phases.base import Phase
from mmseg_cosda.models.taps import check_taps
from mmseg_cosda.preflight.networks import one_channel


def build_alignments(
    model: nn.Module, configs: Mapping[str, dict[str, Any] | None]
) -> nn.ModuleDict:
    """Build the named alignments of a segmentor.

    Args:
        model: The segmentor with its backbone and heads, for the taps.
        configs: Config of each alignment by name; None leaves one out.

    Returns:
        The alignments by name.

    Raises:
        ValueError: If a module is no alignment or one of its taps names no module.
    """
    alignments = nn.ModuleDict()
    for name, config in configs.items():
        if config is None:
            continue
        place = f"model.alignments.{name}"
        module: Any = MODELS.build(with_num_classes(config, model))
        if not isinstance(module, BaseAlignment):
            raise ValueError(
                f"{place}: {type(module).__name__} is no alignment; derive it from "
                "mmseg_cosda.models.alignments.BaseAlignment"
            )
        check_taps(model, module.feature_paths, place)
        alignments[name] = module
    return alignments


# An iteration's phases, in their order: first what makes the source's features, then
# what compares the target's with them.
DEFAULT_PHASES: Mapping[str, Mapping[str, Any]] = {
    "source": {"type": "SourcePhase"},
    "target": {"type": "TargetPhase"},
}


def build_phases(configs: Mapping[str, dict[str, Any] | None]) -> dict[str, Phase]:
    """Build the named phases of an iteration.

    Args:
        configs: Config of each phase by name, over the default's; None removes one.

    Returns:
        The phases by name: the default's order, then that of ``configs``.

    Raises:
        ValueError: If an entry is no phase, or nothing is left.

    Examples:
        >>> list(build_phases({})), list(build_phases({"target": None}))
        (['source', 'target'], ['source'])
    """
    phases: dict[str, Phase] = {}
    for name in dict.fromkeys([*DEFAULT_PHASES, *configs]):
        config = configs.get(name, {})
        if config is None:
            continue
        config = {**DEFAULT_PHASES.get(name, {}), **config}
        if "type" not in config:
            raise ValueError(
                f"model.phases.{name}={config}: name its type, such as "
                f"'SourcePhase', or None to leave it out"
            )
        phase: Any = MODELS.build(config)
        if not isinstance(phase, Phase):
            raise ValueError(
                f"model.phases.{name}: {type(phase).__name__} is no phase; derive it "
                "from mmseg_cosda.models.phases.Phase"
            )
        phases[name] = phase
    if not phases:
        raise ValueError("model.phases: every phase is None, nothing would train")
    return phases


def with_num_classes(config: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Add the decode head's number of classes to an alignment's config.

    Args:
        config: The alignment's config.
        model: The segmentor with its decode head.

    Returns:
        The config; with ``num_classes`` where the alignment takes it and the config
        leaves it out.
    """
    kind = config.get("type")
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if kind is None or "num_classes" not in inspect.signature(kind).parameters:
        return dict(config)
    return {"num_classes": model.decode_head.num_classes, **config}


def check_heads(heads: Mapping[str, Any]) -> None:
    """Refuse heads with one output, and whose loss is no forward and loss.

    Args:
        heads: Decode head and auxiliary heads by log prefix.

    Raises:
        ValueError: If a head computes its loss otherwise than the host's base, or
            predicts one channel: a softmax, a queue and a pseudo-label's class need
            one for each of two classes or more.
    """
    for name, head in heads.items():
        if head.out_channels < 2:
            raise ValueError(one_channel(f"model: {type(head).__name__} ({name})"))
        if type(head).loss is not BaseDecodeHead.loss:
            raise ValueError(
                f"model: {type(head).__name__} ({name}) computes its loss in an "
                "own way; UDAEncoderDecoder needs a head whose loss is the host's "
                "forward + loss_by_feat, such as DeepLabV2Head or FCNHead"
            )


def check_cascade(decode_head: Any, num_stages: int | None) -> None:
    """Refuse a cascade of decode heads, of which each reads the one before it.

    Args:
        decode_head: The config of the decode head.
        num_stages: The host's option of a ``CascadeEncoderDecoder``.

    Raises:
        ValueError: If it is one.
    """
    if isinstance(decode_head, list | tuple) or num_stages is not None:
        what = f"num_stages={num_stages}"
        if isinstance(decode_head, list | tuple):
            what = f"model.decode_head is a list of {len(decode_head)} heads"
        raise ValueError(
            f"{what}: UDAEncoderDecoder trains one decode head, not a cascade (the "
            "host's CascadeEncoderDecoder, as OCRNet and PointRend have it); give "
            "decode_head=dict(...), a single one such as FCNHead or UPerHead, and "
            "leave num_stages out"
        )
