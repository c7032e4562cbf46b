"""Facts of a segmentor: who has how many classes, what starts late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def class_numbers(model: Any) -> tuple[tuple[str, int], ...]:
    """Return the number of classes of each part that has one.

    Args:
        model: A segmentor of the host, maybe with alignments.

    Returns:
        (config key, number) of the decode heads, the auxiliary heads, the
        alignments and their discriminators.

    Examples:
        >>> model = nn.Module()
        >>> model.decode_head = nn.Module()
        >>> model.decode_head.num_classes = 19
        >>> class_numbers(model)
        (('model.decode_head', 19),)
    """
    parts: list[tuple[str, Any]] = []
    for name in ("decode_head", "auxiliary_head"):
        head = getattr(model, name, None)
        if isinstance(head, nn.ModuleList):
            parts += [(f"model.{name}[{i}]", each) for i, each in enumerate(head)]
        elif head is not None:
            parts.append((f"model.{name}", head))
    for name, alignment in getattr(model, "alignments", {}).items():
        key = f"model.alignments.{name}"
        parts.append((key, alignment))
        parts.append((f"{key}.discriminator", getattr(alignment, "discriminator", 0)))
    numbers = [(key, getattr(part, "num_classes", None)) for key, part in parts]
    return tuple((key, n) for key, n in numbers if isinstance(n, int))


def late_starts(model: Any) -> tuple[tuple[str, int], ...]:
    """Return the first iteration of each phase and alignment that starts late.

    Args:
        model: A segmentor, or the ``model`` of a config.

    Returns:
        (config key, iteration), where it isn't 0.

    Examples:
        >>> late_starts(dict(phases=dict(masked=dict(start_iter=500), target=None)))
        (('model.phases.masked.start_iter', 500),)
    """

    def look(owner: Any, name: str) -> Any:
        if isinstance(owner, Mapping):
            return owner.get(name)
        return getattr(owner, name, None)

    starts = [
        (f"model.{group}.{name}.start_iter", look(part, "start_iter"))
        for group in ("phases", "alignments")
        for name, part in (look(model, group) or {}).items()
    ]
    return tuple(
        (key, start) for key, start in starts if isinstance(start, int) and start
    )


def one_channel(place: str) -> str:
    """Say why a head with one output channel isn't taken, and the cure.

    Args:
        place: The head's name and place.
    """
    return (
        f"{place} has one output channel, a sigmoid head; the softmax, the queues and "
        f"the pseudo-labels need a channel for each class: set num_classes=2 (or more)"
        f", leave out_channels and threshold out, and loss_decode.use_sigmoid=False"
    )
