"""Class names, palettes and id -> trainId maps of the field's datasets."""

from __future__ import annotations

IGNORE_INDEX = 255
