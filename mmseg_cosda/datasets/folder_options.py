"""What an image folder's dataset is told: options, names that are left out."""

from __future__ import annotations

import difflib
import os
import os.path as osp
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypedDict

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.id_maps import IdMapOption
from mmseg_cosda.datasets.split_lists import read_text_lines

_PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("img", "image", "images", "rgb", "img_dir"), "img_path"),
        **dict.fromkeys(("ann", "seg", "label", "labels", "mask"), "seg_map_path"),
        **dict.fromkeys(("masks", "gt", "annotation", "ann_dir"), "seg_map_path"),
        "img_path": "img_path",
        "seg_map_path": "seg_map_path",
    }
)
"""What people write for the keys of ``data_prefix`` -> the key."""


class HostOptions(TypedDict, total=False):
    """Options of the host's ``BaseSegDataset`` that are handed through."""

    ann_file: str | None
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

    data_root: str | os.PathLike[str] | None
    data_prefix: Mapping[str, str | None] | None
    img_suffix: str | Sequence[str] | None
    seg_map_suffix: str | Sequence[str] | None
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
                f"`{command('check_dataset')} CONFIG` writes such a list"
            )
        lines = read_text_lines(exclude)
        exclude = [re.split(r"(?:^|\s)#", line)[0].strip() for line in lines]
    names = [name.replace("\\", "/") for name in exclude or () if name]
    return frozenset(str(PurePosixPath(name)) for name in names if name)


def read_prefix(
    prefix: Mapping[str, str | None], default: Mapping[str, str], place: str
) -> dict[str, str]:
    """Return the folders of images and labels.

    Args:
        prefix: ``img_path`` and ``seg_map_path``; None removes one.
        default: The class's own, for a missing ``img_path``.
        place: The dataset's type, for the error.

    Returns:
        The folders, below ``data_root``.

    Raises:
        ValueError: For another key, or a value that is no path.

    Examples:
        >>> read_prefix({"seg_map_path": None}, {"img_path": "images"}, "GTA5Dataset")
        {'img_path': 'images'}
    """
    for key, folder in prefix.items():
        if key not in ("img_path", "seg_map_path"):
            known = difflib.get_close_matches(str(key).lower(), _PREFIXES, 1, 0.5)
            meant = f"write {_PREFIXES[known[0]]!r}; " if known else ""
            raise ValueError(
                f"data_prefix of {place}: there is no key {key!r}; {meant}images are "
                "'img_path', labels 'seg_map_path'"
            )
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise ValueError(
                f"data_prefix.{key}={folder!r} of {place}: must be a folder below "
                "data_root, or None to leave it out"
            )
    folders = {"img_path": default.get("img_path", "")}
    folders.update({k: os.fspath(v) for k, v in prefix.items() if v is not None})
    return folders
