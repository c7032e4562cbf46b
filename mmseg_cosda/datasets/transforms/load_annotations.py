"""The host's loading of labels, with checks that are always on."""

from __future__ import annotations

from typing import Any

from mmseg.datasets.transforms import LoadAnnotations as HostLoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_cosda.datasets.id_maps import IdMapOption, Strict
from mmseg_cosda.datasets.label_reader import LabelReader


@TRANSFORMS.register_module(force=True)
class LoadAnnotations(HostLoadAnnotations):  # type: ignore[misc]
    """Load a label file, and say what is wrong with it.

    Takes the place of the host's transform of this name, in the host's own datasets
    too: the same labels for files that hold labels, an error that names the file,
    what it holds and the cure for others. The host's casts every file to 8 bits
    before anybody can look at it: 16-bit ids wrap, colors become ids.

    A sample without a ``seg_map_path`` passes through as it is.

    Required keys: ``seg_fields``; read where present: those of
    ``label_reader.LabelReader``. Added key: ``gt_seg_map``, (H, W) uint8.

    Args:
        reduce_zero_label: Whether 0 is ignored and every other id one less. Default
            None: as the dataset says. True holds whatever the dataset says.
        backend_args: The host's file backend.
        imdecode_backend: The host's; labels are read with their true values by each.
        id_map: Classes by id or color, see ``id_maps.parse_id_map``. Default None:
            the dataset's, if it has one.
        strict: Whether ids that ``id_map`` doesn't name are an error. Default False:
            they are ignored.
        same_size: Whether the label must have its image's size. Default None: as the
            dataset says, else True.

    Raises:
        ValueError: At use, with file, what it holds and the cure.

    Examples:
        >>> LoadAnnotations(id_map={10: 0, "11-20": 1})(dict(img_path="a.jpg"))
        {'img_path': 'a.jpg'}
    """

    def __init__(
        self,
        reduce_zero_label: bool | None = None,
        backend_args: dict[str, Any] | None = None,
        imdecode_backend: str = "pillow",
        id_map: IdMapOption | None = None,
        strict: Strict = False,
        same_size: bool | None = None,
    ) -> None:
        super().__init__(backend_args=backend_args, imdecode_backend=imdecode_backend)
        self.reduce_zero_label = reduce_zero_label
        self.id_map, self.strict, self.same_size = id_map, strict, same_size
        self._reader = LabelReader(
            "LoadAnnotations",
            id_map,
            strict,
            reduce_zero_label,
            same_size,
            imdecode_backend,
            backend_args,
        )

    def _load_seg_map(self, results: dict[str, Any]) -> None:
        """Add ``gt_seg_map`` to a sample that has a label file."""
        if results.get("seg_map_path") is None:
            return
        results["gt_seg_map"] = self._reader.read(results)
        results.setdefault("seg_fields", []).append("gt_seg_map")

    def __repr__(self) -> str:
        return (
            f"LoadAnnotations(reduce_zero_label={self.reduce_zero_label}, "
            f"imdecode_backend={self.imdecode_backend!r}, "
            f"backend_args={self.backend_args}, id_map={self.id_map!r}, "
            f"strict={self.strict}, same_size={self.same_size})"
        )
