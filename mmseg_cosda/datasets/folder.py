"""Image folders with a label folder beside them, checked before training starts."""

from __future__ import annotations

import copy
import functools
import os.path as osp
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import mmengine.fileio as fileio
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder_options import HostOptions, Pairs, read_exclude
from mmseg_cosda.datasets.id_maps import IdMapOption
from mmseg_cosda.datasets.label_facts import LabelFacts, check_palette
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _some(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown


@DATASETS.register_module()
class FolderSegDataset(BaseSegDataset):
    """The host's folder dataset, with one clear error per wrong input.

    The host takes a label file per image for granted and reads an empty folder as
    an empty dataset; here a missing folder, an empty one, and images and labels
    that don't match are told when the dataset is built, with the cure.

    Sub-classes set METAINFO (classes, palette), PREFIX, IMG_SUFFIX, SEG_MAP_SUFFIX,
    ID_MAP (the format of their labels, read by ``RawIdsToTrainIds``) and DOWNLOAD
    (where the data comes from).

    Args:
        data_root: The dataset's folder.
        data_prefix: ``img_path`` and ``seg_map_path`` below ``data_root``; without
            ``seg_map_path`` the dataset is unlabelled. By default the class's own.
        img_suffix: How image names end; by default the class's own.
        seg_map_suffix: How label names end; by default the class's own.
        exclude: Images that are left out: names relative to ``data_root`` or to the
            image folder, with or without suffix, or a text file of such names.
            Names in a file may belong to other datasets; a name in a list must exist.
        same_size: Whether an image and its label have the same size in pixels;
            False for translated images beside the original labels. Read by
            ``tools/check_dataset.py``.
        ignore_index: The label of pixels that no class owns.
        id_map: Which id or colour of the label files is which class, see
            :func:`~mmseg_cosda.datasets.id_maps.parse_id_map`: ``{10: 0, 20: 1}``,
            ``{"11-20": 2}``, ``{(128, 64, 128): 0}``, ``"palette"``, or a file. Ids
            that a mapping doesn't name are ignored. By default the class's own; with
            neither, files hold the classes' positions.
        orientation: How images that an EXIF orientation turns were labelled:
            ``"stored"`` or ``"shown"``. By default such an image with a label is an
            error, as nothing in the files tells.
        host: The other options of the host's ``BaseSegDataset``.

    Raises:
        FileNotFoundError: If a folder or a listed file is missing.
        ValueError: If there is no image, images and labels don't match, or a name
            in ``exclude`` is unknown.
    """

    PREFIX: ClassVar[Mapping[str, str]] = {"img_path": "", "seg_map_path": ""}
    IMG_SUFFIX: ClassVar[str] = ".jpg"
    SEG_MAP_SUFFIX: ClassVar[str] = ".png"
    ID_MAP: ClassVar[str | None] = None
    DOWNLOAD: ClassVar[str] = "put the dataset there (a symbolic link will do)"

    def __init__(
        self,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        img_suffix: str | None = None,
        seg_map_suffix: str | None = None,
        exclude: str | Sequence[str] | None = None,
        same_size: bool = True,
        ignore_index: int = IGNORE_INDEX,
        id_map: IdMapOption | None = None,
        orientation: str | None = None,
        **host: Unpack[HostOptions],
    ) -> None:
        self.exclude = read_exclude(exclude)
        self._exclude_strictly = not isinstance(exclude, str)
        self.same_size = same_size
        self._facts = LabelFacts(id_map, orientation, type(self).__name__)
        check_palette(host.get("metainfo"), self.METAINFO, type(self).__name__)
        prefix = self.PREFIX if data_prefix is None else data_prefix
        super().__init__(
            data_root=data_root,
            data_prefix=copy.copy(dict(prefix)),
            img_suffix=self.IMG_SUFFIX if img_suffix is None else img_suffix,
            seg_map_suffix=(
                self.SEG_MAP_SUFFIX if seg_map_suffix is None else seg_map_suffix
            ),
            ignore_index=ignore_index,
            **host,
        )

    @property
    def image_dir(self) -> str:
        """The folder of the images."""
        return str(self.data_prefix.get("img_path") or "")

    @property
    def label_dir(self) -> str | None:
        """The folder of the labels; None for an unlabelled dataset."""
        return self.data_prefix.get("seg_map_path")

    @property
    def id_map(self) -> str | None:
        """The format of the label files, a key of ``label_maps.ID_MAPS``."""
        return self.ID_MAP

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one entry per image, after the checks of the class's docstring."""
        pairs = self.find_pairs()
        where = f"{type(self).__name__} ({self.image_dir})"
        if pairs.without_label or pairs.without_image:
            labels = len(pairs.stems) + len(pairs.without_image)
            images = len(pairs.stems) + len(pairs.without_label)
            raise ValueError(
                f"{where}: {images} images ({self.img_suffix}) and {labels} labels "
                f"({self.seg_map_suffix} in {self.label_dir}) don't match: "
                f"{len(pairs.without_label)} images without label "
                f"[{_some(pairs.without_label)}], {len(pairs.without_image)} labels "
                f"without image [{_some(pairs.without_image)}]; complete the download, "
                "or name them in the dataset's `exclude` (tools/check_dataset.py "
                "CONFIG writes such a list)"
            )
        if not pairs.stems:
            found = sorted(fileio.list_dir_or_file(self.image_dir, list_dir=False))
            raise ValueError(
                f"{where}: no image ends with {self.img_suffix!r} in this folder (it "
                f"holds {len(found)} files [{_some(found)}]); check data_root, "
                "data_prefix, img_suffix and exclude"
            )
        return [self.data_info(stem) for stem in pairs.stems]

    def data_info(self, stem: str) -> dict[str, Any]:
        """Return the entry of an image.

        Args:
            stem: Its name below the image folder, without suffix.

        Returns:
            What the pipeline starts with.
        """
        info = {
            "img_path": osp.join(self.image_dir, stem + self.img_suffix),
            "label_map": self.label_map,
            "reduce_zero_label": self.reduce_zero_label,
            "seg_fields": [],
        }
        if self._facts.orientation is not None:
            info["orientation"] = self._facts.orientation
        if self.label_dir is not None:
            info["seg_map_path"] = osp.join(self.label_dir, stem + self.seg_map_suffix)
            info["id_map"] = self.id_map
            info.update(self._label_entry)
        return info

    @functools.cached_property
    def _label_entry(self) -> dict[str, Any]:
        return self._facts.entry(
            self.metainfo, self.METAINFO, self.ignore_index, self.same_size
        )

    def find_pairs(self) -> Pairs:
        """List images and labels, without those of ``exclude``.

        Returns:
            The pairs and what lacks its counterpart.

        Raises:
            FileNotFoundError: See the class.
            ValueError: If a name in ``exclude`` is unknown.
        """
        self._check_folders()
        images = self._stems(self.image_dir, self.img_suffix)
        labels = (
            images
            if self.label_dir is None
            else self._stems(self.label_dir, self.seg_map_suffix)
        )
        if self.ann_file:
            lines = Path(self.ann_file).read_text(encoding="utf-8").splitlines()
            listed = {line.strip() for line in lines} - {""}
            missing = sorted(listed - images)
            if missing:
                raise FileNotFoundError(
                    f"{self.ann_file} lists {len(missing)} images that are not in "
                    f"{self.image_dir} [{_some(missing)}]"
                )
            images, labels = listed, labels & listed
        excluded = self._excluded(images | labels)
        images, labels = images - excluded, labels - excluded
        return Pairs(
            tuple(sorted(images & labels)),
            tuple(sorted(images - labels)),
            tuple(sorted(labels - images)),
        )

    def _excluded(self, stems: set[str]) -> set[str]:
        folders = [(self.image_dir, self.img_suffix)]
        if self.label_dir is not None:
            folders.append((self.label_dir, self.seg_map_suffix))
        found: dict[str, str] = {}  # entry of `exclude` -> stem
        for stem in stems if self.exclude else ():
            names = {stem}
            for folder, suffix in folders:
                below_root = osp.relpath(folder, self.data_root or ".")
                names |= {stem + suffix, osp.join(below_root, stem + suffix)}
            for name in self.exclude & {n.replace("\\", "/") for n in names}:
                found[name] = stem
        unknown = sorted(self.exclude - set(found))
        if unknown and self._exclude_strictly:
            raise ValueError(
                f"exclude of {type(self).__name__} names [{_some(unknown)}], which "
                f"{self.image_dir} doesn't hold; names are relative to data_root or "
                "to the image folder"
            )
        return set(found.values())

    def _check_folders(self) -> None:
        folders = {"data_root": self.data_root}
        folders["data_prefix.img_path"] = self.image_dir
        folders["data_prefix.seg_map_path"] = self.label_dir
        for key, folder in folders.items():
            if folder and not fileio.isdir(folder, backend_args=self.backend_args):
                raise FileNotFoundError(
                    f"{key} of {type(self).__name__}: the folder {folder!r} doesn't "
                    f"exist; {self.DOWNLOAD}, or set {key} of the dataset in the config"
                )
        if self.ann_file and not osp.isfile(self.ann_file):
            raise FileNotFoundError(
                f"ann_file={self.ann_file!r} of {type(self).__name__} doesn't exist"
            )

    def _stems(self, folder: str, suffix: str) -> set[str]:
        names = fileio.list_dir_or_file(
            folder,
            list_dir=False,
            suffix=suffix,
            recursive=True,
            backend_args=self.backend_args,
        )
        return {name.replace("\\", "/")[: -len(suffix)] for name in names}
