"""Image folders with a label folder beside them, checked before training starts."""

from __future__ import annotations

import functools
import os
import os.path as osp
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import mmengine.fileio as fileio
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.file_names import IMAGE_SUFFIXES, read_suffixes, some_of
from mmseg_cosda.datasets.folder_options import (
    HostOptions,
    Pairs,
    read_exclude,
    read_prefix,
)
from mmseg_cosda.datasets.folder_pairs import (
    Files,
    Found,
    find_files,
    leave_out,
    one_file_each,
    suffix_hint,
    tell_skipped,
)
from mmseg_cosda.datasets.id_maps import IdMapOption
from mmseg_cosda.datasets.label_facts import LabelFacts, check_palette
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.split_lists import FileIndex, listed_images

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _either(suffixes: Iterable[str]) -> str:
    return " or ".join(map(repr, suffixes))


def _one_or_all(suffixes: tuple[str, ...]) -> str | tuple[str, ...]:
    return suffixes[0] if len(suffixes) == 1 else suffixes


@DATASETS.register_module()
class FolderSegDataset(BaseSegDataset):
    """The host's folder dataset, with one clear error per wrong input.

    The host takes a label file per image for granted and reads an empty folder as
    an empty dataset; here a missing folder, an empty one, and images and labels
    that don't match are told when the dataset is built, with the cure. Folders are
    read with their sub-folders. What file managers and notebooks leave there is
    skipped, the log says what, and other known forms of a label
    (``NAME_labelTrainIds.png`` or ``NAME_color.png`` beside ``NAME.png``) are no
    labels of their own.

    Sub-classes set METAINFO (classes, palette), PREFIX, IMG_SUFFIX, SEG_MAP_SUFFIX
    and OTHER_SEG_MAP_SUFFIX (read where no label has the first), ID_MAP (the format
    of their labels, read by ``RawIdsToTrainIds``) and DOWNLOAD (where the data comes
    from).

    Args:
        data_root: The dataset's folder.
        data_prefix: ``img_path`` and ``seg_map_path`` below ``data_root``; without
            ``seg_map_path``, or with None, the dataset is unlabelled. By default the
            class's own.
        img_suffix: How image names end, in any case: a suffix or several, with or
            without dot. By default the class's own, here .jpg, .jpeg and .png.
        seg_map_suffix: How label names end, the same way; by default the class's own.
            A name with "TrainIds" in its suffix holds trainIds.
        exclude: Images that are left out: names relative to ``data_root`` or to the
            image folder, with or without suffix, or a text file of such names.
            Names in a file may belong to other datasets; a name in a list must exist.
            The full name of one of two files of a stem leaves the other in.
        same_size: Whether an image and its label have the same size in pixels;
            False for translated images beside the original labels. Read by
            ``tools/check_dataset.py``.
        ignore_index: The label of ignored pixels.
        id_map: Which id or color of the label files is which class, see
            :func:`~mmseg_cosda.datasets.id_maps.parse_id_map`: ``{10: 0, 20: 1}``,
            ``{"11-20": 2}``, ``{(128, 64, 128): 0}``, ``"palette"``, or a file. Ids
            that a mapping doesn't name are ignored. By default the class's own; with
            neither, files hold the classes' positions.
        orientation: How images that an EXIF orientation turns were labelled:
            ``"stored"`` or ``"shown"``. By default such an image with a label is an
            error, as nothing in the files tells.
        host: The other options of the host's ``BaseSegDataset``. ``ann_file`` is a
            text file with an image a line, in any usual form: see
            :func:`~mmseg_cosda.datasets.split_lists.read_split_list`.

    Raises:
        FileNotFoundError: If a folder or a listed file is missing.
        ValueError: If there is no image, images and labels don't match, two files
            have one stem, or an option or a name in ``exclude`` is unknown.
    """

    PREFIX: ClassVar[Mapping[str, str]] = {"img_path": "", "seg_map_path": ""}
    IMG_SUFFIX: ClassVar[str | Sequence[str]] = IMAGE_SUFFIXES
    SEG_MAP_SUFFIX: ClassVar[str] = ".png"
    OTHER_SEG_MAP_SUFFIX: ClassVar[str | None] = None
    ID_MAP: ClassVar[str | None] = None
    DOWNLOAD: ClassVar[str] = "put the dataset there (a symbolic link will do)"

    def __init__(
        self,
        data_root: str | os.PathLike[str] | None = None,
        data_prefix: Mapping[str, str | None] | None = None,
        img_suffix: str | Sequence[str] | None = None,
        seg_map_suffix: str | Sequence[str] | None = None,
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
        name = type(self).__name__
        self._facts = LabelFacts(id_map, orientation, name)
        check_palette(host.get("metainfo"), self.METAINFO, name)
        images = self.IMG_SUFFIX if img_suffix is None else img_suffix
        labels = self.SEG_MAP_SUFFIX if seg_map_suffix is None else seg_map_suffix
        self._img_suffixes = read_suffixes(images, f"img_suffix of {name}")
        self._seg_map_suffixes = read_suffixes(labels, f"seg_map_suffix of {name}")
        self._other_labels = None
        if seg_map_suffix is None:
            self._other_labels = self.OTHER_SEG_MAP_SUFFIX
        self._image_names: dict[str, str] = {}  # by stem, below their folder
        self._label_names: dict[str, str] = {}
        self._hint = ""
        host["ann_file"] = host.get("ann_file") or ""
        super().__init__(
            data_root=None if data_root is None else os.fspath(data_root),
            data_prefix=(
                dict(self.PREFIX)
                if data_prefix is None
                else read_prefix(data_prefix, self.PREFIX, name)
            ),
            img_suffix=_one_or_all(self._img_suffixes),
            seg_map_suffix=_one_or_all(self._seg_map_suffixes),
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

    def id_map_of(self, label: str) -> str | None:
        """Return the format of a label file, a key of ``label_maps.ID_MAPS``.

        Args:
            label: The file's name. DAFormer-type code writes trainIds to
                ``*_labelTrainIds.png`` beside the labels as downloaded.
        """
        if self.ID_MAP is not None and re.search(r"train_?ids?\W", label, re.I):
            return "train_ids"
        return self.ID_MAP

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one entry per image, after the checks of the class's docstring."""
        pairs = self.find_pairs()
        where = f"{type(self).__name__} ({self.image_dir})"
        if pairs.without_label or pairs.without_image:
            labels = len(pairs.stems) + len(pairs.without_image)
            images = len(pairs.stems) + len(pairs.without_label)
            raise ValueError(
                f"{where}: {images} images ({_either(self._img_suffixes)}) and "
                f"{labels} labels ({_either(self._seg_map_suffixes)} in "
                f"{self.label_dir}) don't match: "
                f"{len(pairs.without_label)} images without label "
                f"[{some_of(pairs.without_label)}], {len(pairs.without_image)} labels "
                f"without image [{some_of(pairs.without_image)}]; {self._hint}complete "
                "the download, or name them in the dataset's `exclude` "
                f"(`{command('check_dataset')} CONFIG` writes such a list)"
            )
        if not pairs.stems:
            found = sorted(fileio.list_dir_or_file(self.image_dir, list_dir=False))
            raise ValueError(
                f"{where}: no image ends with {_either(self._img_suffixes)} in this "
                f"folder (it holds {len(found)} files [{some_of(found)}]); check "
                "data_root, data_prefix, img_suffix and exclude"
            )
        return [self.data_info(stem) for stem in pairs.stems]

    def data_info(self, stem: str) -> dict[str, Any]:
        """Return the entry of an image.

        Args:
            stem: Its name below the image folder, without suffix.

        Returns:
            What the pipeline starts with.
        """
        name = self._image_names.get(stem, stem + self._img_suffixes[0])
        info = {
            "img_path": osp.join(self.image_dir, name),
            "label_map": self.label_map,
            "reduce_zero_label": self.reduce_zero_label,
            "seg_fields": [],
        }
        if self._facts.orientation is not None:
            info["orientation"] = self._facts.orientation
        if self.label_dir is not None:
            label = self._label_names.get(stem, stem + self._seg_map_suffixes[0])
            info["seg_map_path"] = osp.join(self.label_dir, label)
            info["id_map"] = self.id_map_of(label)
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
            ValueError: If a name in ``exclude`` is unknown, two files have one stem,
                or a split list pairs images with labels of another name.
        """
        self._check_folders()
        found = self._find_files()
        tell_skipped(
            found,
            f"{type(self).__name__} ({self.image_dir})",
            labelled=self.label_dir is not None,
        )
        files = {"img_suffix": found.images, "seg_map_suffix": found.labels}
        if self.ann_file:
            listed = self._listed(found)
            for key, group in files.items():
                files[key] = {s: group[s] for s in group.keys() & listed}
        self._leave_out(files)
        self._image_names = one_file_each(
            files["img_suffix"], self.image_dir, "img_suffix"
        )
        self._label_names = one_file_each(
            files["seg_map_suffix"], self.label_dir or "", "seg_map_suffix"
        )
        images = self._image_names.keys()
        labels = images if self.label_dir is None else self._label_names.keys()
        no_label, no_image = sorted(images - labels), sorted(labels - images)
        self._hint = suffix_hint(
            found.label_names, next(iter(no_label), None), "seg_map_suffix"
        ) or suffix_hint(found.image_names, next(iter(no_image), None), "img_suffix")
        return Pairs(tuple(sorted(images & labels)), tuple(no_label), tuple(no_image))

    def _find_files(self) -> Found:
        def find(suffixes: tuple[str, ...]) -> Found:
            return find_files(
                self.image_dir,
                self.label_dir,
                self._img_suffixes,
                suffixes,
                self.backend_args,
            )

        found = find(self._seg_map_suffixes)
        other = self._other_labels
        if other and self.label_dir and not found.images.keys() & found.labels.keys():
            with_other = find((other,))
            if with_other.images.keys() & with_other.labels.keys():
                self.seg_map_suffix, self._seg_map_suffixes = other, (other,)
                return with_other
        return found

    def _listed(self, found: Found) -> frozenset[str]:
        root = self.data_root or "."
        images = FileIndex(found.images, self.image_dir, root)
        labels = None
        if self.label_dir is not None:
            labels = FileIndex(found.labels, self.label_dir, root)
        return listed_images(self.ann_file, images, labels, self.image_dir)

    def _leave_out(self, files: Mapping[str, Files]) -> None:
        folders = {"img_suffix": self.image_dir, "seg_map_suffix": self.label_dir}
        root = self.data_root or "."
        parts = [(group, folders[key] or ".") for key, group in files.items()]
        unknown = sorted(self.exclude - leave_out(parts, root, self.exclude))
        if unknown and self._exclude_strictly:
            raise ValueError(
                f"exclude of {type(self).__name__} names [{some_of(unknown)}], which "
                f"{self.image_dir} doesn't hold; names are relative to data_root or "
                "to the image folder"
            )

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
                f"ann_file={self.ann_file!r} of {type(self).__name__} doesn't exist; "
                "a relative path starts at data_root"
            )
