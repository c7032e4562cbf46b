"""Cityscapes as downloaded, with or without cityscapesscripts' trainIds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.folder_options import FolderOptions, Pairs
from mmseg_cosda.datasets.label_maps import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    class_names,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

TRAIN_IDS_SUFFIX = "_gtFine_labelTrainIds.png"
LABEL_IDS_SUFFIX = "_gtFine_labelIds.png"


@DATASETS.register_module()
class CheckedCityscapesDataset(FolderSegDataset):
    """Cityscapes with clear errors, from labelTrainIds or labelIds files.

    ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` and
    ``gtFine/<split>/<city>/*_gtFine_label{TrainIds,Ids}.png``. Where
    cityscapesscripts made labelTrainIds files they are read, else the labelIds files
    of the download; ``RawIdsToTrainIds`` reads either.

    Args:
        num_classes: 19, or 16 for the classes shared with SYNTHIA: the pixels of
            the other three are ignored then.
        options: Those of :class:`FolderSegDataset`.

    Raises:
        ValueError: For another number of classes; else see
            :class:`FolderSegDataset`.
    """

    METAINFO = {
        "classes": CITYSCAPES_CLASSES,
        "palette": [list(color) for color in CITYSCAPES_PALETTE],
    }
    PREFIX: ClassVar[Mapping[str, str]] = {
        "img_path": "leftImg8bit/train",
        "seg_map_path": "gtFine/train",
    }
    IMG_SUFFIX: ClassVar[str] = "_leftImg8bit.png"
    SEG_MAP_SUFFIX: ClassVar[str] = TRAIN_IDS_SUFFIX
    DOWNLOAD: ClassVar[str] = (
        "unpack leftImg8bit/ and gtFine/ of "
        "https://www.cityscapes-dataset.com/downloads there"
    )

    def __init__(
        self,
        num_classes: int = len(CITYSCAPES_CLASSES),
        **options: Unpack[FolderOptions],
    ) -> None:
        names = class_names(num_classes, type(self).__name__)
        options["metainfo"] = {"classes": names, **(options.get("metainfo") or {})}
        self._either_suffix = options.get("seg_map_suffix") is None
        super().__init__(**options)

    @property
    def id_map(self) -> str | None:
        """The format of the label files, by their names."""
        by_label_ids = self.seg_map_suffix.endswith("labelIds.png")
        return "cityscapes" if by_label_ids else "train_ids"

    def find_pairs(self) -> Pairs:
        """List images and labels; see :meth:`FolderSegDataset.find_pairs`."""
        pairs = super().find_pairs()
        if self._either_suffix and self.label_dir is not None and not pairs.stems:
            self.seg_map_suffix = LABEL_IDS_SUFFIX
            pairs = super().find_pairs()
        return pairs
