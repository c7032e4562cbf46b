"""Names and colors of a model's classes, without any of its data."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.class_order import compare_classes, some_names
from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight.loaded_classes import classes_of


@dataclass(frozen=True)
class ClassNames:
    """What a model's ids mean.

    Args:
        classes: A name for each id from 0 on.
        palette: RGB, 0..255, of each.
    """

    classes: list[str]
    palette: list[list[int]]

    def as_meta(self) -> dict[str, Any]:
        """Return them as a checkpoint's ``dataset_meta``."""
        return {"classes": list(self.classes), "palette": list(self.palette)}


def class_names(
    cfg: Mapping[str, Any], meta: Mapping[str, Any], count: int, checkpoint: str
) -> ClassNames:
    """Return what a checkpoint says of its classes, else what the config does.

    Args:
        cfg: A whole config; its datasets are not built, their data need not exist.
        meta: The checkpoint's ``meta``, whose ``dataset_meta`` training wrote.
        count: Classes of the model.
        checkpoint: The file, for the error.

    Returns:
        Names and colors. Where neither names them: ``class 0`` and so on; colors
        that are missing are those of Pascal VOC.

    Raises:
        UserError: If the checkpoint names another number of classes, or the config
            names the same in another order.
    """
    said = meta.get("dataset_meta")
    said = said if isinstance(said, Mapping) else {}
    named = classes_of(meta)
    if named and len(named) != count:
        raise UserError(
            f"checkpoint {checkpoint} names {len(named)} classes "
            f"({some_names(named)}), but the config's model has {count}: give the "
            "config that it was trained with"
        )
    result = ClassNames([f"class {i}" for i in range(count)], _palette(None, count))
    for info in _metainfos(cfg):
        classes = [str(name) for name in info.get("classes") or ()]
        if len(classes) == count:
            result = ClassNames(classes, _palette(info.get("palette"), count))
            break
    if not named:
        text = f"checkpoint {checkpoint} names no classes: they are taken for"
        print(f"{text} {some_names(result.classes)}", file=sys.stderr)
        return result
    difference = compare_classes(named, result.classes)
    if difference is not None and difference.kind == "order":
        raise UserError(
            f"checkpoint {checkpoint} has the config's classes in another order: "
            f"{difference.text}; give the config that it was trained with"
        )
    return ClassNames(list(named), _palette(said.get("palette"), count))


def _metainfos(cfg: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what a config's datasets say of their classes, that of the test first."""
    for split in ("test", "val", "train"):
        yield from _of_dataset((cfg.get(f"{split}_dataloader") or {}).get("dataset"))


def _of_dataset(dataset: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from _of_dataset(part)
    if not isinstance(dataset, Mapping):
        return
    kind = dataset.get("type")
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    own = dict(getattr(kind, "METAINFO", {}))
    given = dataset.get("metainfo") or {}
    if given.get("classes") and not given.get("palette"):
        own["palette"] = _chosen(own, given["classes"])  # the host chooses by name
    yield {**own, **given}
    for key in ("dataset", "datasets", "target", "source"):
        yield from _of_dataset(dataset.get(key))


def _chosen(info: Mapping[str, Any], classes: Sequence[str]) -> list[Any] | None:
    known = dict(
        zip(info.get("classes") or (), info.get("palette") or (), strict=False)
    )
    return [known[name] for name in classes] if set(classes) <= set(known) else None


def _palette(palette: Any, count: int) -> list[list[int]]:
    if palette is not None and len(palette) == count:
        return [[int(value) for value in color] for color in palette]
    return [voc_color(i + 1) for i in range(count)]


def voc_color(index: int) -> list[int]:
    """Return a color of Pascal VOC's map, in which neighbors differ.

    Args:
        index: From 0 (black) on.

    Examples:
        >>> [voc_color(i) for i in (0, 1, 2, 9)]
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 0, 0]]

    Source: the VOC development kit, ``VOClabelcolormap``.
    """
    bits = [(index >> shift, 7 - shift // 3) for shift in range(0, 24, 3)]
    return [sum((i >> c & 1) << place for i, place in bits) & 255 for c in range(3)]
