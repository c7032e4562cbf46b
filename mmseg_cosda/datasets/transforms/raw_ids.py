"""Labels as downloaded, read through a lookup table."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_cosda.datasets.id_maps import IdMapOption, Strict, parse_id_map
from mmseg_cosda.datasets.label_reader import LabelReader


@TRANSFORMS.register_module()
class RawIdsToTrainIds(BaseTransform):
    """Load a label file as downloaded and map its ids to trainIds.

    One lookup table turns ids, or colors, into the dataset's labels; no file is
    converted. ``LoadAnnotations`` reads the same where the dataset or its own
    ``id_map`` names a format; this transform insists on one.

    A sample without a ``seg_map_path`` passes through as it is.

    Required keys: ``seg_fields``; read where present: those of
    ``label_reader.LabelReader``. Added key: ``gt_seg_map``, (H, W) uint8.

    Args:
        id_map: Label format: ``"gta5"``, ``"synthia"``, ``"cityscapes"``
            (labelIds), ``"train_ids"``, or a table of your own, see
            ``id_maps.parse_id_map``. By default the one that the dataset names.
        strict: Raise for ids that the format doesn't document instead of ignoring
            them (the public label maps ignore "all else"); ``"complete"`` spares
            mappings, which list what they want. Files that hold trainIds are always
            checked.
        backend_args: The host's file backend.
        same_size: Whether the label must have its image's size. Default None: as the
            dataset says, else True.

    Raises:
        ValueError: At use, with file and ids, for corrupt files, wrong channels,
            undocumented ids (if strict, or if a file holds hardly anything else) and
            another size than the image's.

    Examples:
        >>> RawIdsToTrainIds(id_map="gta5")
        RawIdsToTrainIds(id_map='gta5', strict=False)
    """

    def __init__(
        self,
        id_map: IdMapOption | None = None,
        strict: Strict = False,
        backend_args: dict[str, Any] | None = None,
        same_size: bool | None = None,
    ) -> None:
        self.id_map, self.strict = id_map, strict
        self.backend_args, self.same_size = backend_args, same_size
        self._reader = LabelReader(
            "RawIdsToTrainIds",
            id_map,
            strict,
            reduce_zero_label=None,
            same_size=same_size,
            backend_args=backend_args,
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map`` to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample.

        Raises:
            ValueError: See the class.
        """
        if results.get("seg_map_path") is None:
            return results
        formats = (self.id_map, results.get("id_map"), results.get("pseudo_label"))
        if not any(formats):
            parse_id_map(None, owner="RawIdsToTrainIds")  # raises
        results["gt_seg_map"] = self._reader.read(results)
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        return f"RawIdsToTrainIds(id_map={self.id_map!r}, strict={self.strict})"
