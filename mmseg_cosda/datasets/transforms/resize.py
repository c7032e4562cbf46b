"""Resizing as the field's public code does it: PIL, exact size, no aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

UInt8 = npt.NDArray[np.uint8]


def resize_pil(
    array: UInt8, size: tuple[int, int], resample: Image.Resampling
) -> UInt8:
    """Resize an array with PIL.

    Args:
        array: (H, W) or (H, W, 3) uint8; the order of the channels is free.
        size: (width, height) in pixels.
        resample: PIL's filter.

    Returns:
        (height, width) or (height, width, 3) uint8.

    Examples:
        >>> import numpy as np
        >>> labels = np.array([[1, 2], [3, 4]], dtype=np.uint8)
        >>> resize_pil(labels, (4, 2), Image.Resampling.NEAREST).tolist()
        [[1, 1, 2, 2], [3, 3, 4, 4]]
    """
    if (array.shape[1], array.shape[0]) == size:
        return array
    return np.array(Image.fromarray(array).resize(size, resample))


def check_size(size: Sequence[int], transform: str) -> tuple[int, int]:
    """Return a size as (width, height).

    Args:
        size: As the user writes it.
        transform: Whose option it is, for the error.

    Returns:
        The size.

    Raises:
        ValueError: If it is not two positive integers.
    """
    valid = len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)
    if not valid:
        raise ValueError(
            f"size={size!r} of {transform}: must be (width, height), two positive "
            "integers, e.g. (1024, 512)"
        )
    return size[0], size[1]


@TRANSFORMS.register_module()
class ResizePIL(BaseTransform):
    """Resize exactly to a size: PIL bicubic for images, nearest for labels.

    The aspect ratio is not kept and PIL's bicubic filter smooths where it shrinks,
    as in the public baselines (AdaptSegNet, ADVENT, BDL); the host's ``Resize``
    uses OpenCV's filters, which give other pixels. Labels that are not loaded yet
    (test pipelines load them after this transform) keep their size.

    Modified keys: ``img``, every key of ``seg_fields``. Added keys: ``img_shape``,
    ``scale``, ``scale_factor``, ``keep_ratio``.

    Args:
        size: (width, height) in pixels.

    Raises:
        ValueError: For a size that is not two positive integers; at use, for images
            that are not 8 bits deep.

    Examples:
        >>> import numpy as np
        >>> image = np.zeros((4, 6, 3), np.uint8)
        >>> sample = ResizePIL(size=(12, 2))(dict(img=image, seg_fields=[]))
        >>> sample["img"].shape, sample["scale_factor"]
        ((2, 12, 3), (2.0, 0.5))
    """

    def __init__(self, size: Sequence[int]) -> None:
        self.size = check_size(size, "ResizePIL")

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize a sample's image and loaded labels.

        Args:
            results: The sample.

        Returns:
            The same sample.

        Raises:
            ValueError: See the class.
        """
        height, width = results["img"].shape[:2]
        results["img"] = self._resize(results, "img", Image.Resampling.BICUBIC)
        for key in results.get("seg_fields", []):
            results[key] = self._resize(results, key, Image.Resampling.NEAREST)
        results["img_shape"] = results["img"].shape[:2]
        results["scale"] = self.size
        if (width, height) != self.size or "scale_factor" not in results:
            # LoadResizedImage has resized the image already, and said by how much.
            results["scale_factor"] = (self.size[0] / width, self.size[1] / height)
        results["keep_ratio"] = False
        return results

    def _resize(
        self, results: dict[str, Any], key: str, resample: Image.Resampling
    ) -> UInt8:
        array = results[key]
        if array.dtype != np.uint8:
            raise ValueError(
                f"{results.get('img_path')}: {key} is {array.dtype}, but ResizePIL "
                "takes uint8; load images without to_float32"
            )
        return resize_pil(array, self.size, resample)

    def __repr__(self) -> str:
        return f"ResizePIL(size={self.size})"
