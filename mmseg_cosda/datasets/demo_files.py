"""The demo's images as files: what reads a file by the host's backends reads them."""

from __future__ import annotations

import os
import re

import cv2
from mmengine.fileio import BaseStorageBackend, register_backend

from mmseg_cosda.datasets.demo.street import DOMAINS, SPLITS, DemoStreet

SCHEME = "demo-streets"
_PATH = re.compile(
    rf"{SCHEME}:/+(?P<width>\d+)x(?P<height>\d+)/seed(?P<seed>\d+)/gap(?P<gap>[\d.e-]+)/"
    rf"(?P<domain>{'|'.join(DOMAINS)})_(?P<split>{'|'.join(SPLITS)})_(?P<index>\d+)\.png"
)


def demo_folder(image_size: tuple[int, int], seed: int, gap: float) -> str:
    """Return the virtual folder of the streets with these options.

    Args:
        image_size: (width, height) in pixels.
        seed: Seed of the dataset.
        gap: Strength of the target's look, 0 to 1.

    Examples:
        >>> demo_folder((256, 128), seed=0, gap=1.0)
        'demo-streets://256x128/seed0/gap1.0'
    """
    return f"{SCHEME}://{image_size[0]}x{image_size[1]}/seed{seed}/gap{gap!r}"


class DemoStreetsBackend(BaseStorageBackend):
    """Renders the PNG that a path ``demo-streets://...`` names.

    Registered for that scheme, so that the host's image loader, its hook that draws
    predictions and its inferencer take the demo's images as they take files.

    Examples:
        >>> from mmengine.fileio import get
        >>> get(demo_folder((64, 32), 0, 1.0) + "/target_val_00000.png")[1:4]
        b'PNG'
    """

    def get(self, filepath: str | os.PathLike[str]) -> bytes:
        """Return the PNG of an image.

        Args:
            filepath: Its virtual path.

        Raises:
            FileNotFoundError: If the path names no image of the demo.
        """
        street = _street(str(filepath))
        if street is None:
            raise FileNotFoundError(
                f"{filepath} names no image of the demo, such as "
                f"{demo_folder((256, 128), 0, 1.0)}/target_val_00000.png"
            )
        _, content = cv2.imencode(".png", street.render()[0])
        return content.tobytes()

    def get_text(
        self, filepath: str | os.PathLike[str], encoding: str = "utf-8"
    ) -> str:
        """Refuse: there are images alone.

        Args:
            filepath: A virtual path.
            encoding: Not used.

        Raises:
            FileNotFoundError: Always.
        """
        raise FileNotFoundError(f"{filepath}: {SCHEME}:// holds no text")

    def exists(self, filepath: str | os.PathLike[str]) -> bool:
        """Return whether a path names an image of the demo."""
        return _street(str(filepath)) is not None

    isfile = exists


def _street(path: str) -> DemoStreet | None:
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    part = found.groupdict()
    size = int(part["width"]), int(part["height"])
    return DemoStreet(
        part["domain"],
        part["split"],
        int(part["index"]),
        size,
        int(part["seed"]),
        float(part["gap"]),
    )


# Forced, so that reloading this module in a notebook works; the name is ours.
register_backend(SCHEME, DemoStreetsBackend, force=True, prefixes=SCHEME)
