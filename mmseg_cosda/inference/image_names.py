"""Names of a dataset's images, and images by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import PurePosixPath

from mmseg_cosda.datasets.pseudo_label import pseudo_label_names
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.images import TargetImages

IMAGE_TYPES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def image_names(images: TargetImages) -> list[str]:
    """Return the images' names below their folder, without the dataset's suffix.

    That of Cityscapes' ``ulm/ulm_0_leftImg8bit.png`` is ``ulm/ulm_0``.
    """
    names = pseudo_label_names(images.dataset)
    suffix = name_suffix(images)
    return [name.removesuffix(".png").removesuffix(suffix) for name in names]


def name_suffix(images: TargetImages) -> str:
    """Return what all files of a dataset have behind their names, but for the type."""
    suffixes = getattr(images.dataset, "img_suffix", "")
    suffixes = (suffixes,) if isinstance(suffixes, str) else suffixes
    ends = {suffix.rpartition(".")[0] for suffix in suffixes}
    return ends.pop() if len(ends) == 1 else ""


def find_images(
    wanted: Sequence[str], names: Sequence[str], suffix: str = ""
) -> list[int]:
    """Return the positions of images by name.

    Args:
        wanted: Names with or without folder, suffix and type.
        names: Of all images, with their folders, without suffix and type.
        suffix: What all files have behind their names, such as "_leftImg8bit".

    Raises:
        UserError: If there is no such image, or several.

    Examples:
        >>> find_images(["b", "ulm/a_img.png"], ["ulm/a", "bonn/b"], "_img")
        [1, 0]
    """
    return [_find_image(name, names, suffix) for name in wanted]


def _find_image(wanted: str, names: Sequence[str], suffix: str) -> int:
    stem = wanted
    if PurePosixPath(wanted).suffix.lower() in IMAGE_TYPES:
        stem = str(PurePosixPath(wanted).with_suffix(""))
    stem = stem.removesuffix(suffix)
    if stem in names:
        return names.index(stem)
    found = [i for i, name in enumerate(names) if PurePosixPath(name).name == stem]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(names[i] for i in found[:3])
        raise UserError(f"--images {wanted}: there are {several}; give the folder too")
    near = difflib.get_close_matches(stem, names, 3, 0.0)
    raise UserError(
        f"--images {wanted}: no image has that name; closest: {', '.join(near)}"
    )
