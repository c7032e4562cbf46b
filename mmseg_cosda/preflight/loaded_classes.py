"""Does a checkpoint mean the same by its ids as the data it is used with?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.datasets.class_order import compare_classes, some_names
from mmseg_cosda.preflight.facts import Finding


def classes_of(meta: Any) -> tuple[str, ...]:
    """Return the class names of a checkpoint's ``meta``, by id; none if it has none.

    Args:
        meta: With ``dataset_meta``, as training writes it, or ``CLASSES``, as the
            host did before its version 1.

    Examples:
        >>> classes_of({"dataset_meta": {"classes": ["road", "sky"]}})
        ('road', 'sky')
    """
    meta = meta if isinstance(meta, Mapping) else {}
    said = meta.get("dataset_meta")
    named = said.get("classes") if isinstance(said, Mapping) else None
    named = named or meta.get("CLASSES") or ()
    return tuple(map(str, named)) if isinstance(named, (list, tuple)) else ()


def compare_loaded(
    name: str,
    theirs: Sequence[str],
    place: str,
    ours: Sequence[str],
    trains: bool = False,
) -> Finding | None:
    """Compare the classes of a checkpoint with those of a dataset.

    The same names in another order are an error: every figure and every label would be
    another class's. Other names in the place of some are taken for renamed classes, as
    long as no name has moved. A training only begins with the weights: there, other
    classes are a warning, and the same ones in another order are still a mistake.

    Args:
        name: What to call the checkpoint.
        theirs: Its class names; none if it has none.
        place: What to call the dataset.
        ours: Its class names.
        trains: Whether the checkpoint's head is trained on, not predicted with.

    Returns:
        None where they agree.

    Examples:
        >>> theirs, ours = ["road", "sky"], ["sky", "road"]
        >>> compare_loaded("a.pth", theirs, "the dataset", ours).level
        'error'
        >>> compare_loaded("a.pth", theirs, "the dataset", ["road", "air"]).level
        'warning'
    """
    if not theirs:
        text = f"{name} names no classes: its outputs are taken for those of {place}"
        return Finding("info", f"{text}, {some_names(ours)}")
    difference = compare_classes(theirs, ours)
    if difference is None:
        return None
    kind, first = difference
    both = f"{first} (there {list(theirs)}, here {list(ours)})"
    cure = (
        "give the dataset its classes in the order there, metainfo=dict(classes=...), "
        "or take the config that the checkpoint was trained with"
    )
    if trains:
        cure += (
            ', or its backbone alone: model.backbone.init_cfg=dict(type="Pretrained", '
            'checkpoint=..., prefix="backbone.")'
        )
    if kind == "order":
        text = f"{name} has the classes of {place} in another order: {both}; {cure}"
        return Finding("error", text)
    if kind == "names":
        text = f"{name} calls its classes otherwise than {place}, taken for renamed"
        return Finding("warning", f"{text}: {first}")
    text = f"{name} has other classes than {place}: {both}"
    if trains:
        return Finding("warning", f"{text}; training begins with its head")
    return Finding("error", f"{text}; {cure}")
