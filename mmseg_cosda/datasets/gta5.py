"""GTA5 ("Playing for Data") as downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.label_maps import CITYSCAPES_CLASSES, CITYSCAPES_PALETTE


@DATASETS.register_module()
class GTA5Dataset(FolderSegDataset):
    """The 24,966 images of GTA5 with Cityscapes' 19 classes.

    ``images/*.png`` and ``labels/*.png`` below ``data_root``; labels are palette
    PNGs whose index is the id, read by ``RawIdsToTrainIds`` without any conversion.
    A folder prepared for DAFormer-type code is read as it is: its labels as downloaded
    or, with ``seg_map_suffix="_labelTrainIds.png"``, the converted ones beside them.
    Translated images in a folder of their own:
    ``data_prefix=dict(img_path="images_translated", seg_map_path="labels")`` and
    ``same_size=False``.

    The options are those of :class:`FolderSegDataset`.

    Source: Richter et al., "Playing for Data", ECCV 2016.
    """

    METAINFO = {
        "classes": CITYSCAPES_CLASSES,
        "palette": [list(color) for color in CITYSCAPES_PALETTE],
    }
    PREFIX: ClassVar[Mapping[str, str]] = {
        "img_path": "images",
        "seg_map_path": "labels",
    }
    IMG_SUFFIX: ClassVar[str | Sequence[str]] = ".png"
    OTHER_SEG_MAP_SUFFIX: ClassVar[str | None] = "_labelTrainIds.png"
    ID_MAP: ClassVar[str | None] = "gta5"
    DOWNLOAD: ClassVar[str] = (
        "unpack images/ and labels/ of "
        "https://download.visinf.tu-darmstadt.de/data/from_games there"
    )
