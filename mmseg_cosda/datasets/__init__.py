"""Datasets of source and target domains."""

from mmseg_cosda.datasets.camvid import CamVid11Dataset
from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.transforms import CheckLabels, RawIdsToTrainIds, ResizePIL

__all__ = [
    "CamVid11Dataset",
    "CheckLabels",
    "DomainPairDataset",
    "FolderSegDataset",
    "RawIdsToTrainIds",
    "ResizePIL",
]
