"""SYNTHIA-RAND-CITYSCAPES as downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.folder_options import FolderOptions
from mmseg_cosda.datasets.label_maps import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    SYNTHIA_CLASSES,
    class_names,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


@DATASETS.register_module()
class SYNTHIADataset(FolderSegDataset):
    """The 9,400 images of SYNTHIA-RAND-CITYSCAPES.

    ``RGB/*.png`` and ``GT/LABELS/*.png`` below ``data_root``; labels are 16-bit
    multi-channel PNGs whose red channel is the id, read by ``RawIdsToTrainIds``
    without any conversion. ``seg_map_suffix="_labelTrainIds.png"`` reads the files that
    DAFormer-type code has made beside them.

    Args:
        num_classes: 16, the classes that SYNTHIA shares with Cityscapes in their
            compact order, as in the paper; or 19, Cityscapes' classes, of which
            terrain, truck and train never occur.
        options: Those of :class:`FolderSegDataset`.

    Raises:
        ValueError: For another number of classes; else see
            :class:`FolderSegDataset`.

    Source: Ros et al., "The SYNTHIA Dataset", CVPR 2016.
    """

    METAINFO = {
        "classes": CITYSCAPES_CLASSES,
        "palette": [list(color) for color in CITYSCAPES_PALETTE],
    }
    PREFIX: ClassVar[Mapping[str, str]] = {
        "img_path": "RGB",
        "seg_map_path": "GT/LABELS",
    }
    IMG_SUFFIX: ClassVar[str | Sequence[str]] = ".png"
    OTHER_SEG_MAP_SUFFIX: ClassVar[str | None] = "_labelTrainIds.png"
    ID_MAP: ClassVar[str | None] = "synthia"
    DOWNLOAD: ClassVar[str] = (
        "unpack RGB/ and GT/ of SYNTHIA-RAND-CITYSCAPES "
        "(https://synthia-dataset.net/downloads) there"
    )

    def __init__(
        self,
        num_classes: int = len(SYNTHIA_CLASSES),
        **options: Unpack[FolderOptions],
    ) -> None:
        names = class_names(num_classes, type(self).__name__)
        options["metainfo"] = {"classes": names, **(options.get("metainfo") or {})}
        super().__init__(**options)
