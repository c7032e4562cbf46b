"""The parts of a segmentor that trains on two domains, checked where they enter."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn

from mmseg_cosda.models.alignments.base import BaseAlignment
from mmseg_cosda.models.phases.base import Phase
from mmseg_cosda.models.reference import FrozenReference
from mmseg_cosda.models.taps import check_taps
from mmseg_cosda.models.teacher import EMATeacher
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


def build_teacher(config: Mapping[str, Any] | None) -> EMATeacher | None:
    """Build the teacher of a segmentor, without weights yet.

    Args:
        config: ``model.teacher``; None for none.

    Raises:
        ValueError: If it is none.
    """
    if config is None:
        return None
    teacher: Any = MODELS.build({"type": "EMATeacher", **config})
    if not isinstance(teacher, EMATeacher):
        raise ValueError(
            f"model.teacher: {type(teacher).__name__} is no teacher; give "
            'dict(type="EMATeacher")'
        )
    return teacher


def build_reference(
    config: Mapping[str, Any] | None, paths: Sequence[str]
) -> FrozenReference | None:
    """Build the frozen reference of a segmentor, without weights yet.

    Args:
        config: ``model.reference``; None for none.
        paths: Its maps that alignments ask for; it isn't built for nothing.

    Raises:
        ValueError: If it is none, or alignments ask for one that isn't there.
    """
    if config is None:
        if paths:
            raise ValueError(
                f"model.reference is None and an alignment compares with {paths[0]!r} "
                'of it; give model.reference=dict(type="FrozenReference")'
            )
        return None
    reference: Any = MODELS.build({"type": "FrozenReference", **config})
    if not isinstance(reference, FrozenReference):
        raise ValueError(
            f"model.reference: {type(reference).__name__} is no frozen reference; "
            'give dict(type="FrozenReference")'
        )
    return reference if paths else None


def check_phases(
    phases: Mapping[str, Phase], alignments: nn.ModuleDict, teacher: object
) -> None:
    """Refuse phases that can't be meant together.

    Args:
        phases: By name, in their order.
        alignments: The segmentor's.
        teacher: The segmentor's, None for none.

    Raises:
        ValueError: If a phase needs a teacher that isn't there, several phases show
            the alignments the target, or none does where an alignment waits for it.
    """
    if teacher is None:
        needy = [name for name, phase in phases.items() if phase.needs_teacher]
        if needy:
            raise ValueError(
                f"model.phases.{needy[0]} asks for a teacher's labels and "
                "model.teacher is None; give "
                'model.teacher=dict(type="EMATeacher", decay=0.999)'
            )
    aligning = [name for name, phase in phases.items() if phase.align]
    if len(aligning) > 1:
        raise ValueError(
            f"model.phases: {' and '.join(aligning)} have align=True, so that "
            "alignments would see a step's target twice; leave it on for one, such as "
            f"model.phases.{aligning[0]}.align=False"
        )
    waiting = [
        name
        for name, each in alignments.items()
        if getattr(type(each), "on_target", None) is not BaseAlignment.on_target
    ]
    if waiting and not aligning:
        raise ValueError(
            f"model.alignments.{waiting[0]} compares the target's features, and no "
            f"phase of {', '.join(phases)} shows it any; set align=True of one of "
            "model.phases, behind the source's"
        )


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


def named_heads(model: Any) -> dict[str, Any]:
    """Return the decode head and the auxiliary heads of a segmentor, by log prefix."""
    heads = {"decode": model.decode_head}
    if model.with_auxiliary_head:
        auxiliary = model.auxiliary_head
        if isinstance(auxiliary, nn.ModuleList):
            heads.update({f"aux_{i}": head for i, head in enumerate(auxiliary)})
        else:
            heads["aux"] = auxiliary
    return heads


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
