"""CamVid in the 11-class form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from mmseg.registry import DATASETS

from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.label_maps import CAMVID_CLASSES, CAMVID_PALETTE


@DATASETS.register_module()
class CamVid11Dataset(FolderSegDataset):
    """Street scenes labelled with CamVid's 11 classes.

    ``images/*.jpg`` and ``labels/*.png``, single-channel label PNGs with ids 0 to 10
    and 255 to ignore: both domains of the task torcs2camvid.

    The options are those of :class:`FolderSegDataset`.
    """

    METAINFO = {"classes": CAMVID_CLASSES, "palette": [list(c) for c in CAMVID_PALETTE]}
    PREFIX: ClassVar[Mapping[str, str]] = {
        "img_path": "images",
        "seg_map_path": "labels",
    }
    DOWNLOAD: ClassVar[str] = (
        "set the environment variable COSDA_DATA to the folder that holds the "
        "data set's source/ and target/; docs/torcs2camvid.md says how to make it"
    )
