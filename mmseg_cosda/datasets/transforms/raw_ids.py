"""Labels as downloaded, read through a lookup table."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import cv2
import mmengine.fileio as fileio
import numpy as np
import numpy.typing as npt
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_cosda.datasets.label_maps import (
    ID_MAPS,
    IGNORE_INDEX,
    UNDOCUMENTED,
    IdMap,
    lookup_table,
)

Labels = npt.NDArray[np.unsignedinteger[Any]]
UInt8 = npt.NDArray[np.uint8]

_CORRUPT = (
    "{path}: cannot be read as a label image ({reason}); download it again or list it "
    "in the dataset's `exclude`"
)


class CorruptLabelError(ValueError):
    """A label file that cannot be decoded."""


def read_raw_ids(path: str, content: bytes, id_map: IdMap) -> Labels:
    """Decode the raw ids of a label file.

    Args:
        path: The file's name, for errors.
        content: The file's bytes.
        id_map: The dataset's label format.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        CorruptLabelError: If the file cannot be decoded.
        ValueError: If it has another number of channels.
    """
    if id_map.reader == "red":
        return _read_red(path, content)
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, raw = image.mode, np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise CorruptLabelError(_CORRUPT.format(path=path, reason=error)) from error
    if raw.ndim != 2 or mode not in ("P", "L", "I;16", "I"):
        raise ValueError(
            f"{path}: is a {mode} image, but its labels should be a single-channel or "
            "palette PNG that holds ids; use the label files as downloaded, not a "
            "coloured copy"
        )
    return raw.astype(np.uint16) if mode == "I" else raw


def _read_red(path: str, content: bytes) -> Labels:
    buffer = np.frombuffer(content, np.uint8)
    raw = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if raw is None:
        raise CorruptLabelError(
            _CORRUPT.format(path=path, reason="OpenCV cannot decode it")
        )
    if raw.ndim != 3 or raw.shape[2] < 3:
        raise ValueError(
            f"{path}: has shape {raw.shape}, but its red channel should hold the ids; "
            "use the files of SYNTHIA-RAND-CITYSCAPES' GT/LABELS as downloaded"
        )
    return np.ascontiguousarray(raw[:, :, 2])  # OpenCV's order is B, G, R


@TRANSFORMS.register_module()
class RawIdsToTrainIds(BaseTransform):
    """Load a label file as downloaded and map its ids to trainIds.

    Takes the place of the host's ``LoadAnnotations``, which knows no raw ids: one
    lookup table turns ids into the dataset's labels, no file is converted.

    Required keys: ``seg_map_path``, ``seg_fields``; read where present:
    ``label_map`` (the host's, for fewer classes), ``id_map`` (put there by this
    project's datasets). Added key: ``gt_seg_map``, (H, W) uint8.

    Args:
        id_map: Label format: ``"gta5"``, ``"synthia"``, ``"cityscapes"``
            (labelIds) or ``"train_ids"``. By default the one that the dataset
            names.
        strict: Raise for ids that the format doesn't document instead of ignoring
            them (the public label maps ignore "all else"). Files that hold trainIds
            are always checked.
        backend_args: The host's file backend.

    Raises:
        ValueError: At use, with file and ids, for corrupt files, wrong channels and
            undocumented ids.

    Examples:
        >>> RawIdsToTrainIds(id_map="gta5")
        RawIdsToTrainIds(id_map='gta5', strict=False)
    """

    def __init__(
        self,
        id_map: str | None = None,
        strict: bool = False,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        self.id_map = None if id_map is None else self._checked(id_map)
        self.strict = strict
        self.backend_args = backend_args
        self._tables: dict[tuple[Any, ...], UInt8] = {}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map`` to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample.

        Raises:
            ValueError: See the class.
        """
        if "seg_map_path" not in results:
            raise ValueError(
                f"{results.get('img_path')} has no label file: give the dataset a "
                "data_prefix with seg_map_path, or take RawIdsToTrainIds out of the "
                "pipeline of an unlabelled domain"
            )
        path = str(results["seg_map_path"])
        name = self.id_map or self._checked(results.get("id_map"))
        content = fileio.get(path, backend_args=self.backend_args)
        raw = read_raw_ids(path, content, ID_MAPS[name])
        table = self._table(name, results.get("label_map"))
        # OpenCV's lookup is several times faster than numpy's, but 8-bit only.
        labels = cv2.LUT(raw, table[:256]) if raw.dtype == np.uint8 else table[raw]
        if self.strict or ID_MAPS[name].closed:
            self._check_ids(path, name, raw, labels)
        results["gt_seg_map"] = labels
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results

    def _table(self, name: str, label_map: Mapping[int, int] | None) -> UInt8:
        key = (name, label_map and tuple(label_map.items()))
        if key not in self._tables:
            self._tables[key] = lookup_table(ID_MAPS[name], label_map, self.strict)
        return self._tables[key]

    @staticmethod
    def _check_ids(path: str, name: str, raw: Labels, labels: UInt8) -> None:
        unknown = labels == UNDOCUMENTED
        if unknown.any():
            known = sorted(ID_MAPS[name].documented - {IGNORE_INDEX})
            raise ValueError(
                f"{path}: holds the ids {np.unique(raw[unknown]).tolist()}, which "
                f"{name!r} labels don't have (they go from {known[0]} to {known[-1]}); "
                "check that the folder holds this dataset's labels, or list the file "
                "in the dataset's `exclude`"
            )

    @staticmethod
    def _checked(id_map: object) -> str:
        if not isinstance(id_map, str) or id_map not in ID_MAPS:
            raise ValueError(
                f"id_map={id_map!r} of RawIdsToTrainIds: must be one of "
                f"{', '.join(ID_MAPS)} (this project's datasets name their own; a "
                "dataset of the host needs it in the pipeline)"
            )
        return id_map

    def __repr__(self) -> str:
        return f"RawIdsToTrainIds(id_map={self.id_map!r}, strict={self.strict})"
