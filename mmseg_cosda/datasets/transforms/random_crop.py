"""The host's random crop, for images without labels too."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomCrop as HostRandomCrop
from mmseg.registry import TRANSFORMS


# Under the host's name, so that a pipeline of the host serves an unlabelled target.
@TRANSFORMS.register_module(name="RandomCrop", force=True)
class RandomCrop(HostRandomCrop):
    """Crop image and labels at random; without labels, the image alone.

    The host's ``cat_max_ratio`` draws again while one class fills the crop, and dies
    of a sample that has no labels. There is nothing to measure then: the first crop
    is taken. With labels it is the host's, random draws included.

    Required key: ``img``; read where present: ``gt_seg_map``. Modified keys: ``img``,
    ``img_shape``, every key of ``seg_fields``.

    Args:
        crop_size: (H, W) in pixels, or one number for both.
        cat_max_ratio: Largest share of the crop's labelled pixels that one class may
            have, below 1 to be looked at. Default 1.
        ignore_index: The label that isn't counted.

    Examples:
        >>> crop = RandomCrop(crop_size=(2, 3), cat_max_ratio=0.75)
        >>> crop(dict(img=np.zeros((4, 6, 3), np.uint8)))["img"].shape
        (2, 3, 3)
    """

    @cache_randomness  # type: ignore[untyped-decorator]
    def crop_bbox(self, results: dict[str, Any]) -> tuple[int, int, int, int]:
        """Return a random crop: its first and last row, first and last column.

        Args:
            results: The sample.

        Returns:
            The four edges, the last ones exclusive.
        """
        if "gt_seg_map" in results:
            bbox: tuple[int, int, int, int] = super().crop_bbox(results)
            return bbox
        height, width = self.crop_size
        rows, columns = results["img"].shape[:2]
        # The host's draws, in its order.
        top = int(np.random.randint(0, max(rows - height, 0) + 1))
        left = int(np.random.randint(0, max(columns - width, 0) + 1))
        return top, top + height, left, left + width
