"""Cityscapes as downloaded, with or without cityscapesscripts' trainIds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.folder_options import FolderOptions
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
    IMG_SUFFIX: ClassVar[str | Sequence[str]] = "_leftImg8bit.png"
    SEG_MAP_SUFFIX: ClassVar[str] = TRAIN_IDS_SUFFIX
    OTHER_SEG_MAP_SUFFIX: ClassVar[str | None] = LABEL_IDS_SUFFIX
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
        super().__init__(**options)

    def id_map_of(self, label: str) -> str:
        """Return the format of a label file, by its name."""
        return "cityscapes" if re.search(r"label_?ids?\W", label, re.I) else "train_ids"
