"""From a config and a checkpoint to the matches of some target images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mmseg_cosda.errors import UserError
from mmseg_cosda.matches.closeup import Bank, MatchedImage, as_map, look_closely
from mmseg_cosda.matches.forward import picture_of, see_target
from mmseg_cosda.matches.share_table import share_rows
from mmseg_cosda.matches.source import SeenImage, SourceImages
from mmseg_cosda.matches.target import TargetSet, split_target_map
from mmseg_cosda.matches.traced_queue import TracedQueue
from mmseg_cosda.models.alignments.class_wise_cosine_loss import ClassWiseCosineLoss
from mmseg_cosda.models.matching import MatchSums, match_pixels, sum_matches

MOST_PATCHES = 8
_PICTURES = 32  # source images kept decoded


@dataclass(frozen=True)
class MatchPictureOptions:
    """What is shown of a target image.

    Args:
        pixels: Target pixels that are looked at closely.
        patches: Source patches of each.
        patch_size: Their side, pixels of the image; None for a third of its height.

    Raises:
        UserError: If a number is too small.
    """

    pixels: int = 6
    patches: int = 3
    patch_size: int | None = None

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise UserError(f"--pixels {self.pixels}: must not be negative")
        if not 1 <= self.patches <= MOST_PATCHES:
            raise UserError(f"--patches {self.patches}: from 1 to {MOST_PATCHES} fit")
        if self.patch_size is not None and self.patch_size < 4:
            raise UserError(
                f"--patch-size {self.patch_size}: must be at least 4 pixels"
            )


def make_bank(
    loss: ClassWiseCosineLoss, tap: str, seen: list[SeenImage], images: SourceImages
) -> Bank:
    """Return a map's queue with the source images that filled it."""
    queue = loss.queue(tap)
    assert isinstance(queue, TracedQueue)  # what build_alignment has put there

    @lru_cache(maxsize=_PICTURES)
    def picture(index: int) -> Any:
        return picture_of(images.sample(index))

    features, counts = queue.as_tensors()
    return Bank(
        queue=features,
        counts=counts,
        origins=queue.origins(),
        images=[each.number for each in seen],
        geometries=[each.maps[tap] for each in seen],
        picture=picture,
        threshold=loss.taps[tap].threshold,
        top_k=loss.top_k,
    )


def match_image(
    model: Any,
    loss: ClassWiseCosineLoss,
    tap: str,
    bank: Bank,
    targets: TargetSet,
    index: int,
    options: MatchPictureOptions,
) -> tuple[MatchedImage, MatchSums]:
    """Match a target image with a queue.

    Args:
        model: The segmentor in eval mode.
        loss: Whose queue it is.
        tap: Name of the map.
        bank: Its queue.
        targets: The target images.
        index: Which of them.
        options: What is shown.

    Returns:
        What is shown, and the sums of its figures.
    """
    sample = targets.sample(index)
    picture = picture_of(sample)
    domain = see_target(model, sample, loss.feature_paths, targets.pseudo_label(index))
    target = split_target_map(loss, tap, domain, _truth(sample))
    found = match_pixels(
        target.rows, target.labels, bank.queue, bank.counts, bank.threshold, bank.top_k
    )
    sums = sum_matches(found, target.labels, target.truth, loss.num_classes)
    size = target.geometry.map_size
    pixels = []
    if options.pixels:
        pixels = look_closely(
            picture,
            target,
            found,
            bank,
            options.pixels,
            options.patches,
            options.patch_size,
        )
    image = MatchedImage(
        name=targets.names[index],
        picture=picture,
        geometry=target.geometry,
        labels=as_map(target.labels, size),
        share=as_map(found.share, size),
        best=as_map(found.best, size),
        pixels=pixels,
        figures=share_rows(sums)[-1],
    )
    return image, sums


def _truth(sample: Mapping[str, Any]) -> Tensor | None:
    data = sample["data_samples"]
    if "gt_sem_seg" not in data:
        return None
    truth: Tensor = data.gt_sem_seg.data[0]
    return truth.to(torch.int64)
