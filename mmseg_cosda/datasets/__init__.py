"""Datasets of source and target domains."""

from mmseg_cosda.datasets.camvid import CamVid11Dataset
from mmseg_cosda.datasets.cityscapes import CheckedCityscapesDataset
from mmseg_cosda.datasets.demo_streets import DemoStreetsDataset
from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.gta5 import GTA5Dataset
from mmseg_cosda.datasets.pseudo_label import PseudoLabelDataset
from mmseg_cosda.datasets.synthia import SYNTHIADataset
from mmseg_cosda.datasets.transforms import (
    CheckLabels,
    FourierTransfer,
    LoadDemoStreet,
    RawIdsToTrainIds,
    ResizePIL,
)

__all__ = [
    "CamVid11Dataset",
    "CheckLabels",
    "CheckedCityscapesDataset",
    "DemoStreetsDataset",
    "DomainPairDataset",
    "FolderSegDataset",
    "FourierTransfer",
    "GTA5Dataset",
    "LoadDemoStreet",
    "PseudoLabelDataset",
    "RawIdsToTrainIds",
    "ResizePIL",
    "SYNTHIADataset",
]
