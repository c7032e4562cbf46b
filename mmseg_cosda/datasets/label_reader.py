"""A sample's labels: its file through the checks and tables that always apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import mmengine.fileio as fileio
import numpy as np
import numpy.typing as npt

from mmseg_cosda.datasets.exif import require_known_orientation
from mmseg_cosda.datasets.id_maps import IdMapOption, IdTable, Strict, parse_id_map
from mmseg_cosda.datasets.label_files import (
    check_label_ids,
    check_label_size,
    fit_to_bytes,
    read_label_file,
)
from mmseg_cosda.datasets.label_maps import ID_MAPS, IGNORE_INDEX, IdMap
from mmseg_cosda.errors import UserError

UInt8 = npt.NDArray[np.uint8]


class LabelReader:
    """Reads the label of a sample, for every transform that loads one.

    Reads of a sample: ``seg_map_path``; where present ``label_map`` and
    ``reduce_zero_label`` (the host's), ``id_map``, ``num_classes``,
    ``ignore_index``, ``same_size`` and ``orientation`` (put there by this project's
    datasets), ``pseudo_label`` (by ``PseudoLabelDataset``, whose labels hold classes
    whatever the transform's options say), ``ori_shape`` of a loaded image.

    Args:
        owner: The transform's name, for errors.
        id_map: Label format; None takes the dataset's.
        strict: Whether ids that the format doesn't name are an error.
        reduce_zero_label: Whether 0 is ignored and every other id one less; None
            takes the dataset's.
        same_size: Whether the label must have its image's size; None takes the
            dataset's, by default True.
        imdecode_backend: See ``label_files.read_label_file``.
        backend_args: The host's file backend.
    """

    def __init__(
        self,
        owner: str,
        id_map: IdMapOption | None = None,
        strict: Strict = False,
        reduce_zero_label: bool | None = None,
        same_size: bool | None = None,
        imdecode_backend: str = "pillow",
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        self.owner, self.strict = owner, strict
        self.id_map = id_map
        self.reduce_zero_label = reduce_zero_label
        self.same_size = same_size
        self.imdecode_backend = imdecode_backend
        self.backend_args = backend_args
        self._tables: dict[tuple[str, str], IdTable] = {}
        if id_map is not None and id_map != "palette":
            self._parse(id_map, None)

    def read(self, results: Mapping[str, Any]) -> UInt8:
        """Return a sample's labels.

        Args:
            results: The sample, with a ``seg_map_path``.

        Returns:
            (H, W) uint8: classes, and 255 (or the dataset's ignore index) to ignore.

        Raises:
            ValueError: With the file, what it holds and the cure.
        """
        path = str(results["seg_map_path"])
        if not results.get("pseudo_label"):  # those were made of images as read
            require_known_orientation(results)
        content = fileio.get(path, backend_args=self.backend_args)
        if results.get("pseudo_label"):
            raw = read_label_file(path, content, backend=self.imdecode_backend)
            return fit_to_bytes(path, raw)
        table = self._table(results)
        reader = "index" if table is None else table.id_map.reader
        raw = read_label_file(path, content, reader, self.imdecode_backend)
        self._check_size(results, path, raw.shape)
        if table is None:
            labels = self._reduce(results, path, fit_to_bytes(path, raw))
            labels = _choose(labels, results.get("label_map"))
        else:
            labels = table.apply(path, raw)
        if results.get("num_classes"):
            ignored = {int(results.get("ignore_index", IGNORE_INDEX)), IGNORE_INDEX}
            check_label_ids(labels, int(results["num_classes"]), ignored, path)
        return labels

    def _check_size(
        self, results: Mapping[str, Any], path: str, shape: tuple[int, ...]
    ) -> None:
        same_size = self.same_size
        if same_size is None:
            same_size = results.get("same_size", True)
        if same_size and results.get("ori_shape") is not None:
            height, width = results["ori_shape"][:2]
            image = str(results.get("img_path"))
            check_label_size(path, (shape[0], shape[1]), image, (height, width))

    def _reduce(self, results: Mapping[str, Any], path: str, labels: UInt8) -> UInt8:
        own, dataset = self.reduce_zero_label, results.get("reduce_zero_label")
        if own is False and dataset:
            raise UserError(
                f"{path}: the dataset says reduce_zero_label=True, its {self.owner} "
                "reduce_zero_label=False; leave it out of the pipeline"
            )
        if not (own or dataset):
            return labels
        # 0 becomes 255, 255 stays, every other id is one less.
        reduced = np.array([IGNORE_INDEX, *range(IGNORE_INDEX - 1), IGNORE_INDEX])
        return np.asarray(cv2.LUT(labels, reduced.astype(np.uint8)))

    def _table(self, results: Mapping[str, Any]) -> IdTable | None:
        option = self.id_map if self.id_map is not None else results.get("id_map")
        if option is None:
            return None
        if self.reduce_zero_label or results.get("reduce_zero_label"):
            raise UserError(
                f"id_map={option!r} of {results['seg_map_path']} beside "
                "reduce_zero_label=True: id_map names the class of each id already; "
                "leave reduce_zero_label out of dataset and pipeline"
            )
        label_map = results.get("label_map")
        key = (repr(option), repr(label_map))
        if key not in self._tables:
            id_map = self._parse(option, results.get("palette"))
            name = option if isinstance(option, str) else None
            self._tables[key] = IdTable(id_map, label_map, self.strict, name)
        return self._tables[key]

    def _parse(self, option: Any, palette: Any) -> IdMap:
        if not isinstance(option, str):
            return parse_id_map(option, owner=self.owner)
        if option in ID_MAPS:
            return ID_MAPS[option]
        return parse_id_map(option, palette, owner=self.owner)


def _choose(labels: UInt8, label_map: Mapping[int, int] | None) -> UInt8:
    """Apply the host's ``label_map``; ids that it doesn't name stay."""
    if label_map is None:
        return labels
    table = np.arange(2**8, dtype=np.uint8)
    for old, new in label_map.items():
        table[old] = new
    return np.asarray(cv2.LUT(labels, table))
