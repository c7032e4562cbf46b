"""The host's loading of images, with a word about EXIF orientation."""

from __future__ import annotations

from typing import Any

import cv2
import mmcv
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile as HostLoadImageFromFile
from mmseg.registry import TRANSFORMS

from mmseg_cosda.datasets.exif import (
    read_orientation,
    require_known_orientation,
    show,
    store,
)
from mmseg_cosda.datasets.label_facts import check_orientation
from mmseg_cosda.errors import UserError


@TRANSFORMS.register_module(force=True)
class LoadImageFromFile(HostLoadImageFromFile):  # type: ignore[misc]
    """Load an image; turn it as the labels are.

    Takes the place of the host's transform of this name: the same pixels. Where the
    file's EXIF orientation turns the image, the host (and OpenCV) show it as viewers
    do; that is right without labels. A label may have been drawn on either form:
    loading one for such an image is an error unless ``orientation`` says which.

    Required key: ``img_path``; read where present: ``orientation`` (put there by
    this project's datasets). Added keys: ``img``, ``img_shape``, ``ori_shape``, and
    ``exif_orientation`` if it isn't 1.

    Args:
        to_float32: The host's.
        color_type: The host's.
        imdecode_backend: The host's.
        file_client_args: The host's.
        ignore_empty: The host's.
        orientation: ``"stored"``, ``"shown"``; default None: as the dataset says,
            else as the host reads it.
        backend_args: The host's file backend.

    Raises:
        ValueError: For another orientation; at use, for files that are no image.

    Examples:
        >>> LoadImageFromFile(orientation="stored").orientation
        'stored'
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = "color",
        imdecode_backend: str = "cv2",
        file_client_args: dict[str, Any] | None = None,
        ignore_empty: bool = False,
        *,
        orientation: str | None = None,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            to_float32,
            color_type,
            imdecode_backend,
            file_client_args,
            ignore_empty,
            backend_args=backend_args,
        )
        self.orientation = check_orientation(orientation, type(self).__name__)

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Add the image to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample; None for an unreadable file with ``ignore_empty``.

        Raises:
            ValueError: See the class.
        """
        path = results["img_path"]
        wanted = self.wanted_orientation(results)
        try:
            image, tag = self._decode(path, wanted)
        except Exception:
            # As the host: whatever a backend raises.
            if self.ignore_empty:
                return None
            raise
        if self.to_float32:
            image = image.astype(np.float32)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        self.note_orientation(results, tag)
        return results

    def wanted_orientation(self, results: dict[str, Any]) -> str | None:
        """Return the orientation that a sample's labels have, as far as said."""
        return self.orientation or results.get("orientation")

    def note_orientation(self, results: dict[str, Any], tag: int) -> None:
        """Keep in a sample what the file says, for the transform of labels."""
        if self.orientation is not None:
            results["orientation"] = self.orientation
        if tag != 1:
            results["exif_orientation"] = tag
            if "gt_seg_map" in results:  # loaded before the image
                require_known_orientation(results)

    def _decode(self, path: str, wanted: str | None) -> tuple[Any, int]:
        if self.file_client_args is not None:
            client = fileio.FileClient.infer_client(self.file_client_args, path)
            content = client.get(path)
        else:
            content = fileio.get(path, backend_args=self.backend_args)
        backend = self.imdecode_backend
        image = None
        if content and not is_cut_off(content):
            try:
                image = mmcv.imfrombytes(content, self.color_type, backend=backend)
            except (OSError, ValueError, SyntaxError, cv2.error) as error:
                raise UserError(
                    f"failed to load image: {path}: {error}; {_CURE}"
                ) from error
        if image is None:
            raise UserError(f"failed to load image: {path} {_why_not(content)}")
        tag = read_orientation(content)
        if tag != 1 and wanted is not None:
            turns = self.color_type in ("color", "grayscale")
            if backend in ("cv2", None):  # which turns TIFF files whatever is asked
                turns |= content[:2] in (b"II", b"MM")
            as_shown = turns and backend in ("cv2", "pillow", None)
            if as_shown and wanted == "stored":
                image = store(image, tag)
            elif not as_shown and wanted == "shown":
                image = show(image, tag)
        return image, tag

    def __repr__(self) -> str:
        text: str = super().__repr__()
        return f"{text[:-1]}, orientation={self.orientation!r})"


def is_cut_off(content: bytes) -> bool:
    """Return whether a JPEG file ends too early.

    OpenCV 4 makes gray of the missing rows and says nothing. Other formats that are cut
    off no decoder reads.

    Args:
        content: A file of any format; others are not looked at.

    Examples:
        >>> whole = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        >>> is_cut_off(whole), is_cut_off(whole[:-9]), is_cut_off(whole + b"more")
        (False, True, False)
    """
    if not content.startswith(b"\xff\xd8") or content.endswith(b"\xff\xd9"):
        return False
    # The end's mark behind the last scan's: neither occurs among a scan's own bytes.
    scan = content.rfind(b"\xff\xda")
    return scan < 0 or content.rfind(b"\xff\xd9") < scan


_CURE = "download it again or list it in the dataset's `exclude`"


def _why_not(content: bytes) -> str:
    if is_cut_off(content):
        return f"({len(content)} bytes) is cut off; {_CURE}"
    buffer = np.frombuffer(content, np.uint8)
    raw = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if content else None
    if raw is None:
        return f"({len(content)} bytes) is cut off or no image; {_CURE}"
    bands = raw.shape[2] if raw.ndim == 3 else 1
    return (
        f"holds {raw.dtype} values in {bands} bands, which OpenCV doesn't read as a "
        "color image; convert the images to 8-bit RGB, with one stretch for both "
        "domains"
    )
