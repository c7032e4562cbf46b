"""A check of labels against the number of classes."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_cosda.datasets.label_files import check_label_ids
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX


@TRANSFORMS.register_module()
class CheckLabels(BaseTransform):
    """Refuse labels that are neither a class nor the ignore index.

    Without it, such a label dies inside the loss, on a GPU without a word about
    the file. Costs two comparisons per pixel.

    Read where present: ``gt_seg_map``, (H, W) of any integer type; a sample without
    labels passes through as it is.

    Args:
        num_classes: Number of classes; labels are 0 to ``num_classes - 1``.
        ignore_index: The label of ignored pixels.

    Raises:
        ValueError: At use, with the file, its ids and the classes.

    Examples:
        >>> import numpy as np
        >>> check = CheckLabels(num_classes=11)
        >>> sample = dict(gt_seg_map=np.array([[0, 11]]), seg_map_path="a.png")
        >>> check(sample)
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: a.png: holds the labels [11], but ...
    """

    def __init__(self, num_classes: int, ignore_index: int = IGNORE_INDEX) -> None:
        if num_classes < 1:
            raise ValueError(
                f"num_classes={num_classes} of CheckLabels: must be positive"
            )
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Check a sample's labels.

        Args:
            results: The sample.

        Returns:
            The same sample, unchanged.

        Raises:
            ValueError: See the class.
        """
        if "gt_seg_map" in results:
            path = results.get("seg_map_path")
            check_label_ids(
                results["gt_seg_map"], self.num_classes, self.ignore_index, path
            )
        return results

    def __repr__(self) -> str:
        return (
            f"CheckLabels(num_classes={self.num_classes}, "
            f"ignore_index={self.ignore_index})"
        )
