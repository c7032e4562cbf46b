"""From what the rasteriser gives to an image and its labels, as files."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.view import View

UInt8 = npt.NDArray[np.uint8]

SAMPLES = 2
"""Samples per pixel along each axis."""
SEE_THROUGH = {Label.FENCE: 9, Label.BICYCLIST: 11}
"""Pixels over which the gaps of a class are closed."""
BEHIND = (Label.SKY, Label.BUILDING, Label.ROAD, Label.PAVEMENT, Label.TREE)
"""Classes that are seen through the gaps."""


def expose(colors: UInt8, view: View) -> UInt8:
    """Return the image as the camera stores it.

    Args:
        colors: Samples, (SAMPLES * H, SAMPLES * W, 3).
        view: Its gain and gamma are applied to the mean of a pixel's samples.

    Returns:
        (H, W, 3), RGB.
    """
    height, width = (side // SAMPLES for side in colors.shape[:2])
    samples = colors.astype(np.float32)
    pixels = samples.reshape(height, SAMPLES, width, SAMPLES, 3).mean((1, 3))
    exposed = 255 * np.clip(pixels / 255 * view.gain, 0, 1) ** view.gamma
    return exposed.round().astype(np.uint8)


def annotate(samples: UInt8) -> UInt8:
    """Return the labels of an image as CamVid's annotators draw them.

    One sample of each pixel decides. Fences and bicycles are filled areas: gaps of at
    most 9 and 11 pixels, through which something lies behind, belong to them.

    Args:
        samples: Class ids, (SAMPLES * H, SAMPLES * W).

    Returns:
        Class ids, (H, W).
    """
    labels = samples[1::SAMPLES, 1::SAMPLES].copy()
    for label, size in SEE_THROUGH.items():
        mask = (labels == label).astype(np.uint8)
        if mask.any():
            element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
            closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, element)
            labels[(closed > 0) & np.isin(labels, BEHIND)] = label
    return labels


def as_jpeg(image: UInt8) -> bytes:
    """Return an RGB image as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=93, subsampling=0)
    return file.getvalue()


def as_png(labels: UInt8) -> bytes:
    """Return labels as a single-channel PNG."""
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "png", optimize=True)
    return file.getvalue()
