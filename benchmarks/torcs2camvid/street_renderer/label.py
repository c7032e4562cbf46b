"""What a surface is labelled as: the ids of CamVid's 11 classes."""

from __future__ import annotations

from enum import IntEnum


class Label(IntEnum):
    """The id of a class; names and order are those of ``CAMVID_CLASSES``."""

    SKY = 0
    BUILDING = 1
    POLE = 2
    ROAD = 3
    PAVEMENT = 4
    TREE = 5
    SIGNSYMBOL = 6
    FENCE = 7
    CAR = 8
    PEDESTRIAN = 9
    BICYCLIST = 10
