"""Dataset folders as their owners lay them out, at toy size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]


def save_image(path: Path, width: int = 8, height: int = 4, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def save_palette(path: Path, ids: Array) -> None:
    """A palette PNG as GTA5's: the index is the id, the colors are elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids.astype(np.uint8), mode="P")
    colors = np.random.default_rng(1).permutation(256 * 3).reshape(256, 3) % 256
    image.putpalette(colors.astype(np.uint8).tobytes())
    image.save(path)


def save_ids(path: Path, ids: Array) -> None:
    """A single-channel 8-bit PNG as cityscapesscripts writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids.astype(np.uint8)).save(path)


def save_synthia(path: Path, ids: Array) -> None:
    """A 16-bit RGB PNG as SYNTHIA's: red holds the class, green the instance."""
    path.parent.mkdir(parents=True, exist_ok=True)
    instances = np.arange(ids.size, dtype=np.uint16).reshape(ids.shape) + 300
    bgr = np.stack([np.zeros_like(instances), instances, ids.astype(np.uint16)], -1)
    assert cv2.imwrite(str(path), bgr)


def make_gta5(root: Path, ids: Array, count: int = 2) -> Path:
    for i in range(1, count + 1):
        save_image(root / f"images/{i:05d}.png", ids.shape[1], ids.shape[0], i)
        save_palette(root / f"labels/{i:05d}.png", ids)
    return root


def make_synthia(root: Path, ids: Array, count: int = 2) -> Path:
    for i in range(count):
        save_image(root / f"RGB/{i:07d}.png", ids.shape[1], ids.shape[0], i)
        save_synthia(root / f"GT/LABELS/{i:07d}.png", ids)
    return root


CITYSCAPES_STEMS = {
    "train": ["aachen/aachen_000000_000019", "ulm/ulm_000001_000019"],
    "val": ["lindau/lindau_000000_000019"],
}


def make_cityscapes(
    root: Path, label_ids: Array, train_ids: Array | None = None
) -> Path:
    """Cityscapes as unpacked; with labelTrainIds as cityscapesscripts adds them."""
    for split, stems in CITYSCAPES_STEMS.items():
        for seed, stem in enumerate(stems):
            height, width = label_ids.shape
            image = root / f"leftImg8bit/{split}/{stem}_leftImg8bit.png"
            save_image(image, width, height, seed)
            label = f"{root}/gtFine/{split}/{stem}_gtFine"
            save_ids(Path(f"{label}_labelIds.png"), label_ids)
            save_ids(Path(f"{label}_instanceIds.png"), label_ids)
            save_image(Path(f"{label}_color.png"), width, height)
            Path(f"{label}_polygons.json").write_text("{}")
            if train_ids is not None:
                save_ids(Path(f"{label}_labelTrainIds.png"), train_ids)
    return root


def config_path(name: str) -> str:
    return str(Path(__file__).parents[2] / "configs" / name)
