"""The transform that renders in place of reading a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from mmcv.transforms import LoadImageFromFile
from mmseg.registry import TRANSFORMS

UInt8 = npt.NDArray[np.uint8]


@TRANSFORMS.register_module()
class LoadDemoStreet(LoadImageFromFile):
    """Render an image of ``DemoStreetsDataset``, in place of reading a file.

    Other samples are loaded as the host's ``LoadImageFromFile`` loads them, and one
    that has its image already passes unchanged, so that the demo's pipelines take a
    photograph too. A test pipeline starts with ``LoadImageFromFile``, which the host
    looks for by name to predict from a file or an array, and has this transform
    behind it for the ground truth.

    Required keys: ``demo_street`` and ``seg_fields``, or ``img_path``, or ``img``.
    Added keys: ``img`` ((H, W, 3) BGR uint8), ``img_shape``, ``ori_shape`` and, for a
    street with labels, ``gt_seg_map`` ((H, W) uint8).

    Args:
        with_labels: Whether to add the ground truth. Default True. False for an
            unlabelled target, and before ``LoadAnnotations`` for pseudo-labels.

    Examples:
        >>> from mmseg_cosda.datasets import DemoStreetsDataset
        >>> dataset = DemoStreetsDataset(domain="target", length=1, pipeline=[])
        >>> sorted(LoadDemoStreet(with_labels=False)(dataset[0]))
        ['demo_street', 'img', 'img_path', 'img_shape', 'label_map', 'ori_shape',
         'reduce_zero_label', 'sample_idx', 'seg_fields']
    """

    def __init__(self, with_labels: bool = True) -> None:
        super().__init__()
        self.with_labels = with_labels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add image and labels to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample.
        """
        if "demo_street" not in results:
            loaded: dict[str, Any] = (
                results if "img" in results else super().transform(results)
            )
            return loaded
        image, labels = results["demo_street"].render()
        if "img" not in results:
            results["img"] = image
            results["img_shape"] = results["ori_shape"] = image.shape[:2]
        if self.with_labels:
            results["gt_seg_map"] = _mapped(labels, results.get("label_map"))
            results["seg_fields"].append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        return f"LoadDemoStreet(with_labels={self.with_labels})"


def _mapped(labels: UInt8, table: dict[int, int] | None) -> UInt8:
    """Return labels for a choice of classes, the host's ``label_map``."""
    if table is None:
        return labels
    return np.array([table[i] for i in range(len(table))], np.uint8)[labels]
