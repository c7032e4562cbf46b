"""Matches as plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmseg_cosda.matches.closeup import Bank, MatchedImage, TargetPixel


def json_report(
    bank: Bank,
    images: Sequence[MatchedImage],
    shares: Sequence[dict[str, float | None]],
    classes: Sequence[str],
    source_name: Callable[[int], str],
) -> dict[str, Any]:
    """Return all figures as JSON values.

    Args:
        bank: What the target images were matched with.
        images: These.
        shares: Of each class and overall, pooled over them.
        classes: Names.
        source_name: Returns the path of a source image.

    Returns:
        ``threshold``, ``source_images``, ``overall``, ``classes`` (with the source
        features of each) and ``images``, with the pixels that were looked at closely:
        ``point`` and those of the matches are (x, y) in the network's input.
    """
    return {
        "threshold": bank.threshold,
        "top_k": bank.top_k,
        "source_images": [source_name(index) for index in bank.images],
        "overall": dict(shares[-1]),
        "classes": {
            name: {"source_features": int(count), **row}
            for name, count, row in zip(classes, bank.counts, shares[:-1], strict=True)
        },
        "images": [
            {
                "name": image.name,
                **image.figures,
                "close": [_pixel(each, classes, source_name) for each in image.pixels],
            }
            for image in images
        ],
    }


def _pixel(
    pixel: TargetPixel, classes: Sequence[str], source_name: Callable[[int], str]
) -> dict[str, Any]:
    return {
        "point": _rounded(pixel.point),
        "class": classes[pixel.label],
        "truth": None if pixel.truth is None else classes[pixel.truth],
        "share": pixel.share,
        "matches": [
            {
                "image": source_name(match.image),
                "index": match.image,
                "point": _rounded(match.point),
                "similarity": match.similarity,
                "selected": match.selected,
            }
            for match in pixel.matches
        ],
    }


def _rounded(point: tuple[float, float]) -> list[float]:
    return [round(value, 2) for value in point]
