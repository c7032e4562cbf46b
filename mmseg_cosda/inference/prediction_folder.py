"""The folder of a tool's predictions, in which an interrupted run goes on."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write, inside
from mmseg_cosda.inference.picture_files import Picture

LABELS, OVERLAYS, MANIFEST = "labels", "overlays", "predictions.json"
ORIGIN = "mmseg_cosda"
"""The PNG text that says which run a label map is of, and which picture."""
# What a killed ``atomic_write`` leaves, and after how many seconds nobody writes it.
LEFTOVER, LEFT_AFTER = re.compile(r"\..+\.png\.[a-z0-9_]{8}"), 600


class PredictionFolder:
    """Label maps and overlays under the names of their pictures.

    ``labels/NAME.png`` holds the ids, ``overlays/NAME.png`` the picture to look at.
    Each file is whole or absent, and the label map, written last, says which run
    and which picture it is of.

    Args:
        out: The folder, made if missing.
        run: A digest of what the predictions depend on besides the pictures.
        overwrite: Whether to replace what is of another run or picture.
    """

    def __init__(self, out: Path, run: str, overwrite: bool = False) -> None:
        self.out, self.run, self.overwrite = out, run, overwrite

    def pending(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Return the pictures that have no prediction of this run yet.

        Raises:
            UserError: If the folder holds another run's predictions or another
                picture's under a name, or a name leads out of the folder.
        """
        return [picture for picture in pictures if not self._is_done(picture)]

    def _is_done(self, picture: Picture) -> bool:
        label, overlay = self._file(LABELS, picture), self._file(OVERLAYS, picture)
        if not label.exists():
            return False
        origin = read_origin(label)
        if origin == self._origin(picture):
            return overlay.exists()
        if self.overwrite:
            return False
        cure = "choose another --out, or replace what differs with --overwrite"
        if origin.split(" ")[0] == self.run:
            raise UserError(
                f"--out {self.out}: {label} is of another picture than {picture.path} "
                f"is now; {cure}"
            )
        raise UserError(
            f"--out {self.out}: {label} is not of this checkpoint, config and "
            f"options{self._other_run()}; {cure}"
        )

    def _other_run(self) -> str:
        try:
            manifest = json.loads((self.out / MANIFEST).read_text("utf-8"))
            return f" but of {manifest['checkpoint']} with {manifest['config']}"
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def _file(self, kind: str, picture: Picture) -> Path:
        return inside(self.out, f"{kind}/{picture.name}.png")

    def _origin(self, picture: Picture) -> str:
        stat = os.stat(picture.path)
        return f"{self.run} {stat.st_size} {stat.st_mtime_ns}"

    def open(self, manifest: Mapping[str, Any]) -> None:
        """Make the folder and say in it what its predictions are of.

        Raises:
            UserError: If it can't be written.
        """
        text = json.dumps({**manifest, "run": self.run}, indent=2, ensure_ascii=False)
        try:
            self._remove_leftovers()
            with atomic_write(self.out / MANIFEST) as file:
                file.write(text.encode())
        except OSError as error:
            raise UserError(
                f"--out {self.out}: cannot write there ({error.strerror}); choose "
                "another folder"
            ) from error

    def _remove_leftovers(self) -> None:
        """Remove what a killed writer left of a picture; a living one takes moments."""
        for kind in (LABELS, OVERLAYS):
            for path in (self.out / kind).rglob(".*.png.*"):
                old = time.time() - path.lstat().st_mtime > LEFT_AFTER
                if old and LEFTOVER.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def write(
        self,
        picture: Picture,
        label: npt.NDArray[np.integer[Any]],
        overlay: npt.NDArray[np.uint8],
    ) -> None:
        """Write a prediction.

        Args:
            picture: Its picture.
            label: Ids, (H, W) uint8 or uint16.
            overlay: The picture to look at, (h, w, 3) RGB.
        """
        text = PngInfo()
        text.add_text(ORIGIN, self._origin(picture))
        with atomic_write(self._file(OVERLAYS, picture)) as file:
            file.write(_png(overlay))
        with atomic_write(self._file(LABELS, picture)) as file:
            file.write(_png(label, text))


def read_origin(path: Path) -> str:
    """Return which run and picture a label map is of; empty if it doesn't say."""
    try:
        with Image.open(path) as image:
            return str(image.info.get(ORIGIN, ""))
    except OSError:
        return ""


def _png(array: npt.NDArray[Any], text: PngInfo | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png", compress_level=4, pnginfo=text)
    return file.getvalue()
