"""Class names, palettes and id -> trainId maps of the field's datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

IGNORE_INDEX = 255
"""The label of ignored pixels."""

UNDOCUMENTED = 254
"""Marks, in a lookup table, raw ids that a dataset doesn't document."""

CITYSCAPES_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
"""The 19 classes of Cityscapes in the order of their trainIds."""

CITYSCAPES_PALETTE = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)
"""RGB colors of :data:`CITYSCAPES_CLASSES`."""

MIOU16_IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)
"""19-way trainIds of the classes that SYNTHIA shares with Cityscapes."""

MIOU13_IDS = (0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)
"""The same without wall, fence and pole."""

SYNTHIA_CLASSES = tuple(CITYSCAPES_CLASSES[i] for i in MIOU16_IDS)
"""The 16 classes of SYNTHIA -> Cityscapes in their compact order."""

CLASS_SUBSETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mIoU16": SYNTHIA_CLASSES,
        "mIoU13": tuple(CITYSCAPES_CLASSES[i] for i in MIOU13_IDS),
    }
)
"""Named class subsets, by class name: right for 19-way and for 16-way models."""

CAMVID_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "signsymbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
"""The 11 classes of CamVid in the order of their ids."""

CAMVID_PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (0, 0, 192),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
"""RGB colors of :data:`CAMVID_CLASSES`."""


@dataclass(frozen=True)
class IdMap:
    """How a dataset writes its labels, and which trainId each raw id becomes.

    Args:
        train_ids: Raw id -> trainId; every other id is ignored.
        documented: All raw ids that the dataset documents, the ignored ones too.
        reader: ``"index"`` for single-channel and palette PNGs, whose palette
            index is the id; ``"red"`` for multi-channel PNGs, 8 or 16 bits deep,
            whose red channel holds the id; ``"color"`` for colored pictures, whose
            id is the number 0xRRGGBB.
        closed: Whether an undocumented id is always an error, as in files that
            hold trainIds already.
        complete: Whether ``documented`` names all that the files hold, and not just
            what somebody wants of them.
    """

    train_ids: Mapping[int, int] = field(repr=False)
    documented: frozenset[int] = field(repr=False)
    reader: Literal["index", "red", "color"] = "index"
    closed: bool = False
    complete: bool = True


_CITYSCAPES_IDS = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}
_SYNTHIA_IDS = {
    1: 10,
    2: 2,
    3: 0,
    4: 1,
    5: 4,
    6: 8,
    7: 5,
    8: 13,
    9: 7,
    10: 11,
    11: 18,
    12: 17,
    15: 6,
    16: 9,
    17: 12,
    18: 14,
    19: 15,
    20: 16,
    21: 3,
}
_TRAIN_IDS = {i: i for i in range(len(CITYSCAPES_CLASSES))}

ID_MAPS: Mapping[str, IdMap] = MappingProxyType(
    {
        "gta5": IdMap(_CITYSCAPES_IDS, frozenset(range(35))),
        "synthia": IdMap(_SYNTHIA_IDS, frozenset(range(23)), reader="red"),
        "cityscapes": IdMap(_CITYSCAPES_IDS, frozenset(range(34))),
        "train_ids": IdMap(
            _TRAIN_IDS, frozenset((*_TRAIN_IDS, IGNORE_INDEX)), closed=True
        ),
    }
)
"""Label formats by name; all of them on the 19-class scale of Cityscapes."""


def lookup_table(
    id_map: IdMap,
    label_map: Mapping[int, int] | None = None,
    strict: bool = False,
) -> npt.NDArray[np.uint8]:
    """Return the table whose entry i is the label of raw id i.

    Args:
        id_map: The format of the label files.
        label_map: trainId -> label, for datasets with fewer classes (the host's
            ``label_map``; classes it lacks are ignored). None keeps trainIds.
        strict: Mark undocumented ids as :data:`UNDOCUMENTED` rather than ignore
            them; always so where ``id_map.closed``.

    Returns:
        (65536,) uint8, for 8-bit and 16-bit raw ids; (16777216,) for colors.

    Examples:
        >>> table = lookup_table(ID_MAPS["gta5"])
        >>> table[7], table[33], table[0]
        (np.uint8(0), np.uint8(18), np.uint8(255))
    """
    rest = UNDOCUMENTED if strict or id_map.closed else IGNORE_INDEX
    size = 2**24 if id_map.reader == "color" else 2**16
    table = np.full(size, rest, dtype=np.uint8)
    table[list(id_map.documented)] = IGNORE_INDEX
    for raw_id, train_id in id_map.train_ids.items():
        table[raw_id] = (
            train_id if label_map is None else label_map.get(train_id, IGNORE_INDEX)
        )
    return table


def class_names(num_classes: int, owner: str) -> tuple[str, ...]:
    """Return the class names of the 19-way or the 16-way protocol.

    Args:
        num_classes: 19 or 16.
        owner: Who asks, for the error.

    Returns:
        The names in the order of the labels.

    Raises:
        ValueError: For any other number.
    """
    for names in (CITYSCAPES_CLASSES, SYNTHIA_CLASSES):
        if len(names) == num_classes:
            return names
    raise ValueError(
        f"num_classes={num_classes} of {owner}: must be "
        f"{len(CITYSCAPES_CLASSES)} (Cityscapes' classes) or "
        f"{len(SYNTHIA_CLASSES)} (those that SYNTHIA shares with it)"
    )
