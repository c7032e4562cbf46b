"""What an image folder's dataset is told: options, names that are left out."""

from __future__ import annotations

import os.path as osp
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from mmseg_cosda.datasets.id_maps import IdMapOption


class HostOptions(TypedDict, total=False):
    """Options of the host's ``BaseSegDataset`` that are handed through."""

    ann_file: str
    metainfo: dict[str, Any] | None
    filter_cfg: dict[str, Any] | None
    indices: int | Sequence[int] | None
    serialize_data: bool
    pipeline: list[dict[str, Any] | Callable[..., Any]]
    test_mode: bool
    lazy_init: bool
    max_refetch: int
    reduce_zero_label: bool
    backend_args: dict[str, Any] | None


class FolderOptions(HostOptions, total=False):
    """Options of :class:`FolderSegDataset`."""

    data_root: str | None
    data_prefix: Mapping[str, str] | None
    img_suffix: str | None
    seg_map_suffix: str | None
    exclude: str | Sequence[str] | None
    same_size: bool
    ignore_index: int
    id_map: IdMapOption | None
    orientation: str | None


@dataclass(frozen=True)
class Pairs:
    """What an image folder and a label folder hold, by name without suffix.

    Args:
        stems: Images that have a label (all images of an unlabelled dataset), sorted.
        without_label: Images that have none, sorted.
        without_image: Labels that have no image, sorted.
    """

    stems: tuple[str, ...]
    without_label: tuple[str, ...] = ()
    without_image: tuple[str, ...] = ()


def read_exclude(exclude: str | Sequence[str] | None) -> frozenset[str]:
    """Return the names that are excluded.

    Args:
        exclude: Names, or a text file with one name per line (``#`` starts a
            comment), as ``tools/check_dataset.py`` writes it.

    Returns:
        The names, with forward slashes.

    Raises:
        FileNotFoundError: If the file is missing.

    Examples:
        >>> sorted(read_exclude(["images/2.png", "1"]))
        ['1', 'images/2.png']
    """
    if isinstance(exclude, str):
        if not osp.isfile(exclude):
            raise FileNotFoundError(
                f"exclude={exclude!r} of a dataset doesn't exist; "
                "tools/check_dataset.py CONFIG writes such a list"
            )
        lines = Path(exclude).read_text(encoding="utf-8").splitlines()
        exclude = [re.split(r"(?:^|\s)#", line)[0].strip() for line in lines]
    names = [name.replace("\\", "/") for name in exclude or ()]
    return frozenset(str(PurePosixPath(name)) for name in names if name)
