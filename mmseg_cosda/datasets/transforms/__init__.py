"""Transforms the host lacks."""

from mmseg_cosda.datasets.transforms.check_labels import CheckLabels
from mmseg_cosda.datasets.transforms.demo_street import LoadDemoStreet
from mmseg_cosda.datasets.transforms.fourier_transfer import FourierTransfer
from mmseg_cosda.datasets.transforms.load_annotations import LoadAnnotations
from mmseg_cosda.datasets.transforms.load_image import LoadImageFromFile
from mmseg_cosda.datasets.transforms.load_resized import LoadResizedImage
from mmseg_cosda.datasets.transforms.random_crop import RandomCrop
from mmseg_cosda.datasets.transforms.raw_ids import RawIdsToTrainIds
from mmseg_cosda.datasets.transforms.resize import ResizePIL

__all__ = [
    "CheckLabels",
    "FourierTransfer",
    "LoadAnnotations",
    "LoadDemoStreet",
    "LoadImageFromFile",
    "LoadResizedImage",
    "RandomCrop",
    "RawIdsToTrainIds",
    "ResizePIL",
]
