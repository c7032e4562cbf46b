"""Images at the network's size, kept on disk so that they are made once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_cosda.datasets.transforms.load_image import LoadImageFromFile
from mmseg_cosda.datasets.transforms.resize import check_size, resize_pil
from mmseg_cosda.files import atomic_write

UInt8 = npt.NDArray[np.uint8]
Loaded = tuple[UInt8, tuple[int, int], int]
"""An image, its file's (H, W), its EXIF orientation."""


@TRANSFORMS.register_module()
class LoadResizedImage(LoadImageFromFile):
    """Load an image at the network's size, from a cache where it has been before.

    Takes the place of ``LoadImageFromFile``; a ``ResizePIL`` of the same size behind
    it then has only the labels to resize, and the pixels are the same. Decoding and
    resizing are nearly all of a sample's time, reading the cache is a hundredth of
    it. It takes 3 bytes per pixel: 2.8 MB per image of 1280x720 (69 GB for GTA5's
    24,966) and 1.6 MB per image of 1024x512 (4.7 GB for Cityscapes' 2,975).

    An entry belongs to a file's path, size and time of change, so that a changed
    image is read anew; it is written whole or not at all, by any number of workers.
    The folder may be removed at any time.

    Required key: ``img_path``. Added keys: ``img`` ((H, W, 3) BGR uint8),
    ``img_shape``, ``ori_shape``, ``scale``, ``scale_factor``, ``keep_ratio``.

    Args:
        size: (width, height) in pixels.
        cache_dir: Folder of the cache, made if missing; None keeps none.
        orientation: ``"stored"`` or ``"shown"``, see ``LoadImageFromFile``; default
            None: as the dataset says.

    Raises:
        ValueError: For a size that is not two positive integers; at use, for images
            that cannot be read, or a folder that cannot be written.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> Image.new("RGB", (6, 4)).save(f"{folder}/a.png")
        >>> load = LoadResizedImage(size=(3, 2), cache_dir=f"{folder}/cache")
        >>> sample = load(dict(img_path=f"{folder}/a.png"))
        >>> sample["img"].shape, sample["ori_shape"], sample["scale_factor"]
        ((2, 3, 3), (4, 6), (0.5, 0.5))
    """

    def __init__(
        self,
        size: Sequence[int],
        cache_dir: str | None = None,
        orientation: str | None = None,
    ) -> None:
        super().__init__(orientation=orientation)
        self.size = check_size(size, "LoadResizedImage")
        self.cache_dir = cache_dir

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the resized image to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample.

        Raises:
            ValueError: See the class.
        """
        wanted = self.wanted_orientation(results)
        entry = None
        if self.cache_dir is not None:
            entry = self._entry(results["img_path"], wanted)
        found = None if entry is None else _read(entry, self.size)
        if found is None:
            found = self._load(results)
            if entry is not None:
                self._write(entry, *found)
        image, shape, tag = found
        results["img"] = image
        results["img_shape"], results["ori_shape"] = image.shape[:2], shape
        results["scale"] = self.size
        results["scale_factor"] = (self.size[0] / shape[1], self.size[1] / shape[0])
        results["keep_ratio"] = False
        self.note_orientation(results, tag)
        return results

    def _load(self, results: dict[str, Any]) -> Loaded:
        wanted = self.wanted_orientation(results)
        image, tag = self._decode(results["img_path"], wanted)
        shape = (image.shape[0], image.shape[1])
        return resize_pil(image, self.size, Image.Resampling.BICUBIC), shape, tag

    def _entry(self, path: str, orientation: str | None) -> Path:
        """Return the cache's file of an image."""
        try:
            stat = os.stat(path)
        except OSError as error:
            raise ValueError(
                f"{path}: cannot be read ({error.strerror}); the cache of "
                "LoadResizedImage is for local images"
            ) from error
        facts: tuple[Any, ...] = (os.path.abspath(path), stat.st_size)
        facts += (stat.st_mtime_ns, self.size)
        facts += () if orientation is None else (orientation,)
        digest = hashlib.sha256(repr(facts).encode()).hexdigest()
        return Path(str(self.cache_dir), digest[:2], f"{digest[2:34]}.npy")

    def _write(
        self, entry: Path, image: UInt8, shape: tuple[int, int], tag: int
    ) -> None:
        try:
            with atomic_write(entry) as file:
                np.save(file, np.array(shape), allow_pickle=False)
                np.save(file, image, allow_pickle=False)
                if tag != 1:
                    np.save(file, np.array(tag), allow_pickle=False)
        except OSError as error:
            raise ValueError(
                f"cache_dir={self.cache_dir!r} of LoadResizedImage: cannot write there "
                f"({error.strerror}); choose a folder with room for "
                f"{image.nbytes / 1e6:.1f} MB per image, or cache_dir=None"
            ) from error

    def __repr__(self) -> str:
        return f"LoadResizedImage(size={self.size}, cache_dir={self.cache_dir!r})"


def _read(entry: Path, size: tuple[int, int]) -> Loaded | None:
    """Return an entry's content; None if absent or damaged."""
    try:
        with entry.open("rb") as file:
            shape = np.load(file, allow_pickle=False)
            image: UInt8 = np.load(file, allow_pickle=False)
            rest = file.read(1)
            file.seek(-len(rest), os.SEEK_CUR)
            tag = int(np.load(file, allow_pickle=False)) if rest else 1
    except (OSError, ValueError, EOFError):
        return None
    if image.shape != (size[1], size[0], 3) or shape.shape != (2,):
        return None
    return image, (int(shape[0]), int(shape[1])), tag
