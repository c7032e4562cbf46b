"""The masked phase: target images of which most blocks are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.augment import Draw, block_mask, draw_blocks, image_draws
from mmseg_cosda.models.phases.base import Losses, Step
from mmseg_cosda.models.phases.strong import StrongPhase
from mmseg_cosda.option_checks import (
    require_choices,
    require_integers,
    require_numbers,
)


@MODELS.register_module()
@dataclass(kw_only=True, eq=False)
class MaskedPhase(StrongPhase):
    r"""Hides most blocks of the target images from the student (MIC).

    .. math:: x = M \odot x^t, \quad y = \hat{y}^t, \quad w = w^t

    M keeps each block of b x b pixels with probability 1 - r, see ``block_mask``. It
    multiplies the normalized image: what is hidden has the mean color. Labels and
    weights are the teacher's of the complete, plain image, and every pixel counts,
    hidden or not. Colors are jittered and blurred before, by draws of their own.
    Losses are ``masked.<head>.*``.

    Args:
        block: b, pixels; the published 32 is for crops of 512, 64 for 1024: a 16th of
            the height.
        ratio: r in [0, 1], the share that is hidden; the published 0.7.
        color: Whether colors are jittered and blurred, as published for synthetic
            sources; False as for Cityscapes -> ACDC and Dark Zurich.
        jitter_probability, jitter_strength, blur_probability, sigma, loss_weight,
            align, start_iter, divisor, class_weight: See :class:`StrongPhase`.

    Raises:
        ValueError: If an option is out of range.

    Source: MIC (arXiv 2212.01322), eq. 5 to 8.

    Examples:
        >>> MaskedPhase(block=64).ratio
        0.7
    """

    block: int = 32
    ratio: float = 0.7
    color: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_integers("MaskedPhase", 1, block=self.block)
        require_numbers("MaskedPhase", 0, 1, ratio=self.ratio)
        require_choices("MaskedPhase", True, False, color=self.color)

    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Hide blocks, then train the student on what is left.

        Args:
            segmentor: The segmentor that trains.
            step: The iteration's batch.

        Returns:
            The heads' losses, those of the alignments, and what
            :meth:`StrongPhase.train_on` logs.

        Raises:
            ValueError: If there is no teacher.
        """
        images = step.images["target"]
        teacher = step.target_labels()
        if self.color:
            images = self.strong_colors(
                segmentor, images, step, Draw.MASKED_WHETHER, Draw.MASKED_COLOR
            )
        images = images * self._mask(step, images)
        return self.train_on(
            segmentor, "masked", step, images, teacher.labels, teacher.weight
        )

    def _mask(self, step: Step, images: Tensor) -> Tensor:
        """Return what is kept, (B, 1, H, W)."""
        rngs = image_draws(step.seed, Draw.MASKED_BLOCKS, step.first_image, len(images))
        size = (images.shape[-2], images.shape[-1])
        blocks = draw_blocks(size, self.block, self.ratio, rngs)
        return block_mask(blocks.to(images.device, non_blocking=True), size)
