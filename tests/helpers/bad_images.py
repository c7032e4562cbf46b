"""A transform that spoils images, for trainings that must not go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class NoNumbersIn(BaseTransform):  # type: ignore[misc]
    """Makes images NaN, as a division by their own range does.

    Args:
        names: What their paths end with.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results["img"] = results["img"].astype("float32")
        if results["img_path"].endswith(self.names):
            results["img"] /= 0 * results["img"]
        return results
