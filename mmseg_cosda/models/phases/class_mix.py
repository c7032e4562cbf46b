"""The mixed phase: source pixels of half the classes over target images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.augment import (
    Draw,
    class_mix_mask,
    draw_class_keys,
    image_draws,
)
from mmseg_cosda.models.padding import unpadded_pixels
from mmseg_cosda.models.phases.base import Losses, Step
from mmseg_cosda.models.phases.strong import StrongPhase, preprocessor_of
from mmseg_cosda.option_checks import require_choices


@MODELS.register_module()
@dataclass(kw_only=True, eq=False)
class ClassMixPhase(StrongPhase):
    r"""Pastes source pixels of half the classes over the target's (DACS).

    .. math::
        x = m x^s + (1 - m) x^t, \quad y = m y^s + (1 - m) \hat{y}^t, \quad
        w = m + (1 - m) w^t

    m marks half the classes of the source image, see ``class_mix_mask``; y and w are
    the teacher's labels and weights of the plain target image. Then colors are
    jittered and blurred; labels stay as they are. Pasted pixels aren't the target's:
    an alignment doesn't see them (``DomainBatch.pixels``). Losses are
    ``mixed.<head>.*``.

    Args:
        classes: Of which label values half are taken: "image", those of the source
            image, as DACS has it and DAFormer's paper; or "batch", those of all source
            images of the process's batch, as DAFormer's and MIC's code has it. What is
            to be ignored is a value too.
        jitter_probability, jitter_strength, blur_probability, sigma, loss_weight,
            align, start_iter, divisor, class_weight: See :class:`StrongPhase`.

    Raises:
        ValueError: If an option is out of range; at use, if the domains' images differ
            in size or normalization.

    Source: DACS (arXiv 2007.08702); DAFormer (2111.14887).

    Examples:
        >>> ClassMixPhase(jitter_strength=0.25).classes
        'image'
    """

    classes: str = "image"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choices("ClassMixPhase", "image", "batch", classes=self.classes)

    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Mix, then train the student on what comes out.

        Args:
            segmentor: The segmentor that trains.
            step: The iteration's batch.

        Returns:
            The heads' losses, those of the alignments, and what
            :meth:`StrongPhase.train_on` logs.

        Raises:
            ValueError: If the domains don't fit each other, or there is no teacher.
        """
        source, target = step.images["source"], step.images["target"]
        _check_alike(segmentor, source, target)
        truth = _ground_truth(step.samples["source"])
        teacher = step.target_labels()
        own = unpadded_pixels(step.samples["target"], target)
        mask = self._mask(segmentor, step, truth)
        shown = ~mask if own is None else ~mask & own
        images = self.strong_colors(
            segmentor,
            torch.where(mask.unsqueeze(1), source, target),
            step,
            Draw.MIXED_WHETHER,
            Draw.MIXED_COLOR,
        )
        labels = torch.where(mask, truth, teacher.labels)
        weight = teacher.weight.masked_fill(mask, 1.0)
        return self.train_on(
            segmentor, "mixed", step, images, labels, weight, shown, mask
        )

    def _mask(self, segmentor: Any, step: Step, truth: Tensor) -> Tensor:
        """Return where source pixels are pasted, (B, H, W) bool."""
        source = step.images["source"]
        rngs = image_draws(step.seed, Draw.MIXED_CLASSES, step.first_image, len(source))
        keys = draw_class_keys(segmentor.decode_head.num_classes, rngs)
        return class_mix_mask(
            truth,
            keys.to(source.device, non_blocking=True),
            unpadded_pixels(step.samples["source"], source),
            self.classes == "batch",
        )


def _ground_truth(samples: list[Any]) -> Tensor:
    """Return the source's labels, (B, H, W) int64."""
    if not all("gt_sem_seg" in sample for sample in samples):
        raise ValueError(
            "ClassMixPhase: a source image has no labels; add a label loading "
            "transform to the pipeline of train_dataloader.dataset.source"
        )
    return torch.cat([sample.gt_sem_seg.data for sample in samples]).long()


def _check_alike(segmentor: Any, source: Tensor, target: Tensor) -> None:
    """Refuse domains of which one can't be pasted over the other."""
    if source.shape != target.shape:
        sizes = [" x ".join(map(str, each.shape[-2:])) for each in (source, target)]
        raise ValueError(
            f"ClassMixPhase: source images have {sizes[0]} pixels, target images "
            f"{sizes[1]}; pasting needs one size: give the pipelines of "
            "train_dataloader.dataset.source and .target the same crop, or "
            "model.data_preprocessor.size=(H, W), to which smaller ones are padded"
        )
    found = preprocessor_of(segmentor).normalizations
    if found["source"] != found["target"]:
        raise ValueError(
            f"ClassMixPhase: model.data_preprocessor normalizes source images by "
            f"{found['source']} and target images by {found['target']}; pasted pixels "
            "would show where they come from: give source and target one mean, std "
            "and bgr_to_rgb"
        )
