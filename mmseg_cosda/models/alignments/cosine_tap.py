"""Where the cosine loss takes its features, and how their pixels get a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.functional import (
    augment_pseudo_labels,
    resize_labels,
    split_source,
)
from mmseg_cosda.models.taps import parse_tap


@dataclass(frozen=True)
class CosineTap:
    """A feature map f_l of the segmentor and its threshold (appendix D).

    Args:
        feature: Tap path, such as "backbone[-1]".
        channels: K.
        threshold: T_cos in [-1, 1].
        label_padding: Pixels of border that the map carries around the image; 0
            resizes labels straight to the map, as the paper writes.

    Raises:
        ValueError: If a value is out of range.
    """

    feature: str
    channels: int
    threshold: float
    label_padding: int = 0

    def __post_init__(self) -> None:
        parse_tap(self.feature)
        if not -1 <= self.threshold <= 1:
            raise ValueError(
                f"tap {self.feature!r}: threshold={self.threshold} is no cosine "
                "similarity, choose a value in [-1, 1]"
            )
        for key in ("channels", "label_padding"):
            if getattr(self, key) < (key == "channels"):
                raise ValueError(
                    f"tap {self.feature!r}: {key}={getattr(self, key)} is too small"
                )

    def checked(self, feature: Tensor, name: str) -> Tensor:
        """Return the map (B, K, h, w) if it has this tap's channels."""
        if feature.shape[1] != self.channels:
            raise ValueError(
                f"taps.{name}.channels={self.channels}, but {self.feature!r} has "
                f"{feature.shape[1]} channels; write {feature.shape[1]}"
            )
        return feature

    def resize(self, labels: Tensor, feature: Tensor, ignore_index: int) -> Tensor:
        """Resize labels or predictions (B, H, W) to the map, nearest."""
        size = (feature.shape[-2], feature.shape[-1])
        return resize_labels(labels, size, self.label_padding, ignore_index)


def build_taps(
    taps: Mapping[str, Mapping[str, Any] | None],
) -> dict[str, CosineTap]:
    """Check the taps of a config.

    Args:
        taps: Options of each tap by name; None removes one.

    Returns:
        The taps by name.

    Raises:
        ValueError: If there is none, or an option is missing, unknown or out of
            range.

    Examples:
        >>> taps = {"layer4": dict(feature="backbone[-1]", channels=8, threshold=0.6)}
        >>> build_taps(taps)["layer4"].threshold
        0.6
    """
    built = {}
    for name, options in taps.items():
        if options is None:
            continue
        try:
            built[name] = CosineTap(**options)
        except TypeError as error:
            raise ValueError(
                f"taps.{name}={dict(options)}: needs feature, channels and threshold, "
                f"may have label_padding ({error})"
            ) from None
    if not built:
        named = f" (each of {', '.join(taps)} is None)" if taps else ""
        raise ValueError(
            f"ClassWiseCosineLoss: taps is empty{named}, name at least one"
        )
    return built


NO_PIXEL = -1
"""The label of a map's pixels that are padding: outside the classes, never ignored."""


def own_pixels(domain: DomainBatch, tap: CosineTap, feature: Tensor) -> Tensor | None:
    """Return which pixels of a map are an image's own, (B, h, w) bool.

    Args:
        domain: The images.
        tap: Where the map comes from.
        feature: The map, (B, K, h, w).

    Returns:
        The mask, nearest as labels are resized; None if no image is padded.
    """
    if domain.pixels is None:
        return None
    # The border that the network adds belongs to the image, as without padding.
    return tap.resize(domain.pixels.byte(), feature, 1).bool()


def _without_padding(
    labels: Tensor, domain: DomainBatch, tap: CosineTap, feature: Tensor
) -> Tensor:
    own = own_pixels(domain, tap, feature)
    return labels if own is None else labels.masked_fill(~own, NO_PIXEL)


def map_rows(feature: Tensor) -> Tensor:
    """View maps (B, K, h, w) as rows (B, h * w, K), in raster order."""
    return feature.flatten(2).transpose(1, 2)


def correct_source(
    domain: DomainBatch, predictions: Tensor, tap: CosineTap, feature: Tensor
) -> Tensor:
    """Return the class of each correctly classified source pixel (process A, eq. 6).

    Args:
        domain: The source images, with ground truth.
        predictions: Their predicted classes, (B, h', w').
        tap: Where the map comes from.
        feature: The map, (B, K, h, w).

    Returns:
        The classes, (B, h, w); the ignore index where the prediction is wrong,
        ``NO_PIXEL`` where the image is padded.

    Raises:
        ValueError: If the source has no ground truth.
    """
    if domain.labels is None:
        raise ValueError("the cosine loss needs ground truth on the source")
    labels = split_source(
        tap.resize(predictions, feature, domain.ignore_index),
        tap.resize(domain.labels, feature, domain.ignore_index),
        domain.ignore_index,
    )
    return _without_padding(labels, domain, tap, feature)


def split_target(
    domain: DomainBatch, predictions: Tensor, tap: CosineTap, feature: Tensor
) -> Tensor:
    """Return the class of each target pixel of a map (process B, eq. 7 and 8).

    Args:
        domain: The target images, with or without pseudo-labels.
        predictions: Their predicted classes, (B, h', w').
        tap: Where the map comes from.
        feature: The map, (B, K, h, w).

    Returns:
        The classes, (B, h, w); ``NO_PIXEL`` where the image is padded.
    """
    labels = tap.resize(predictions, feature, domain.ignore_index)
    if domain.labels is not None:
        labels = augment_pseudo_labels(
            tap.resize(domain.labels, feature, domain.ignore_index),
            labels,
            domain.ignore_index,
        )
    return _without_padding(labels, domain, tap, feature)
