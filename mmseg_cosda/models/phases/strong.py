"""What the phases share that train a student on the teacher's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.augment import (
    Draw,
    batch_draws,
    blur,
    draw_color_shift,
    image_draws,
    shift_color,
)
from mmseg_cosda.models.data_preprocessor import UDADataPreprocessor
from mmseg_cosda.models.functional import resize_labels
from mmseg_cosda.models.padding import unpadded_pixels
from mmseg_cosda.models.phases.base import (
    Losses,
    Phase,
    Step,
    truth_of,
    with_prefix,
)
from mmseg_cosda.option_checks import (
    require_choices,
    require_integers,
    require_numbers,
)

WHITE = 255.0
"""The largest value of an image before it is normalized."""


@dataclass(kw_only=True, eq=False)
class StrongPhase(Phase):
    r"""Trains the student on strongly changed images, with the teacher's labels.

    .. math::
        L = - \frac{\lambda}{N} \sum_i w_i \log \mathrm{softmax}(p_i)_{y_i}

    The teacher has labelled the plain target images; the colors that the student sees
    are jittered, then blurred. Whether is drawn once per iteration for the images of
    all processes, how is drawn for each image.

    Args:
        jitter_probability: Of brightness, contrast, saturation and hue, in a random
            order, see ``shift_color``; 0.8 of all these methods, 0 for never.
        jitter_strength: s in [0, 0.5]: factors are uniform in 1 - s to 1 + s, the hue
            turns by up to s of its circle. 0.2 of DAFormer and MIC; DACS has 0.25.
        blur_probability: Of a Gaussian blur; 0.5 of all these methods.
        sigma: Its standard deviation is uniform between these two, pixels; (0.15,
            1.15) of all these methods, whose crops are 512 high: scale it with yours.
        loss_weight: lambda; 1 of all these methods.
        align: Whether the alignments see this phase's images as the target's, with
            the teacher's class where it is confident; exactly one phase does.
        start_iter: The first iteration in which the phase runs, 0 as published. In a
            short run a young teacher teaches its own mistakes: start later.
        divisor: N is "all", the number of pixels, as published, or "valid", of those
            with a label.
        class_weight: Whether ``class_weight`` of the heads' losses counts for the
            teacher's labels. By default it doesn't: a network that was trained with it
            predicts rare classes too often, and weighing its own guesses by it makes
            them more. It counts for pasted source pixels in any case.

    Raises:
        ValueError: If an option is out of range.
    """

    jitter_probability: float = 0.8
    jitter_strength: float = 0.2
    blur_probability: float = 0.5
    sigma: Sequence[float] = (0.15, 1.15)
    loss_weight: float = 1.0
    align: bool = False
    start_iter: int = 0
    divisor: str = "all"
    class_weight: bool = False

    needs_teacher = True

    def __post_init__(self) -> None:
        owner = type(self).__name__
        require_numbers(
            owner,
            0,
            1,
            jitter_probability=self.jitter_probability,
            blur_probability=self.blur_probability,
        )
        require_numbers(owner, 0, 0.5, jitter_strength=self.jitter_strength)
        require_numbers(owner, 0, inf, loss_weight=self.loss_weight)
        require_integers(owner, 0, start_iter=self.start_iter)
        require_choices(owner, True, False, align=self.align)
        require_choices(owner, True, False, class_weight=self.class_weight)
        require_choices(owner, "all", "valid", divisor=self.divisor)
        _require_sigmas(owner, self.sigma)

    def strong_colors(
        self, segmentor: Any, images: Tensor, step: Step, whether: Draw, how: Draw
    ) -> Tensor:
        """Jitter and blur images.

        Args:
            segmentor: For the normalization of its target images.
            images: (B, 3, H, W), normalized so.
            step: What the draws are derived from.
            whether: The stream of the iteration's decisions.
            how: The stream of each image's factors.

        Returns:
            (B, 3, H, W), normalized.
        """
        iteration = batch_draws(step.seed, whether)
        jittered = iteration.random() < self.jitter_probability
        blurred = iteration.random() < self.blur_probability
        rngs = image_draws(step.seed, how, step.first_image, len(images))
        shifts = [draw_color_shift(self.jitter_strength, rng) for rng in rngs]
        low, high = self.sigma
        sigmas = [rng.uniform(low, high) for rng in rngs]
        if jittered:
            mean, std = _mean_and_std(segmentor, images)
            plain = (images * std + mean) / WHITE
            shifted = torch.stack([*map(shift_color, plain, shifts)])
            images = (shifted * WHITE - mean) / std
        if blurred:
            images = torch.stack([*map(blur, images, sigmas)])
        return images

    def train_on(
        self,
        segmentor: Any,
        name: str,
        step: Step,
        images: Tensor,
        labels: Tensor,
        weight: Tensor,
        pixels: Tensor | None = None,
        pasted: Tensor | None = None,
    ) -> Losses:
        """Train the student, and show the alignments what it saw of the target.

        Args:
            segmentor: The segmentor that trains.
            name: It leads the log keys.
            step: The iteration's batch.
            images: What the student sees, (B, 3, H, W).
            labels: What it learns of them, (B, H, W).
            weight: How much each pixel counts, (B, H, W).
            pixels: Which pixels show the target, (B, H, W) bool; None for all but
                padding.
            pasted: Which pixels have ground truth, (B, H, W) bool; None for none.

        Returns:
            The losses; ``<name>.confident``, on which share of the target's pixels
            the teacher is confident; ``<name>.agreement``, on which share of those
            that the student saw the two choose the same class.
        """
        samples = step.samples["target"]
        truth = truth_of(images, self.class_weight)
        domain, losses = segmentor.run(
            name,
            images,
            samples,
            step,
            labels=labels,
            weight=weight,
            divisor=self.divisor,
            pixels=pixels,
            truth=truth if truth is None or pasted is None else pasted,
        )
        logs = {
            key: self.loss_weight * value if "loss" in key else value
            for key, value in losses.items()
        }
        teacher = step.target_labels()
        if self.align:
            # A pixel of unknown class takes the student's, as without pseudo-labels.
            sure = teacher.confident if pixels is None else teacher.confident & pixels
            labels = teacher.labels.masked_fill(~sure, domain.ignore_index)
            seen = replace(domain, labels=labels)
            for alignment_name, alignment in segmentor.alignments.items():
                found = alignment.on_target(seen)
                logs.update(with_prefix(alignment_name, found))
        own = unpadded_pixels(samples, images)
        logs[f"{name}.confident"] = _share(teacher.confident, own)
        logs[f"{name}.agreement"] = _agreement(domain, teacher.labels)
        return logs


def _require_sigmas(owner: str, sigma: Sequence[float]) -> None:
    try:
        low, high = sigma
        require_numbers(owner, 0, inf, smallest=low, largest=high)
        good = 0 < low <= high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            f"{owner}: sigma={sigma!r} must be two positive numbers, the smaller one "
            "first, such as (0.15, 1.15)"
        )


def _mean_and_std(segmentor: Any, images: Tensor) -> tuple[Tensor | float, ...]:
    """Return what the target's images are normalized by, (3, 1, 1) each."""
    found = preprocessor_of(segmentor).target
    if getattr(found, "mean", None) is None:
        return 0.0, 1.0
    return found.mean.to(images.device), found.std.to(images.device)


def preprocessor_of(segmentor: Any) -> UDADataPreprocessor:
    """Return the preprocessor of a segmentor, if it is one of two domains.

    Args:
        segmentor: The segmentor that trains.

    Raises:
        ValueError: If it is another.
    """
    found = segmentor.data_preprocessor
    if not isinstance(found, UDADataPreprocessor):
        raise ValueError(
            f"model.data_preprocessor is of type {type(found).__name__}: mixing and "
            "color jitter need the domains' normalization; use UDADataPreprocessor"
        )
    return found


@torch.no_grad()
def _share(true: Tensor, of: Tensor | None) -> Tensor:
    if of is None:
        return true.float().mean()
    return (true & of).sum() / of.sum().clamp(min=1)


@torch.no_grad()
def _agreement(domain: DomainBatch, labels: Tensor) -> Tensor:
    """Compare student and teacher at the size of the logits, which is cheap."""
    if domain.pixels is not None:
        labels = labels.masked_fill(~domain.pixels, domain.ignore_index)
    size = (domain.logits.shape[-2], domain.logits.shape[-1])
    labels = resize_labels(labels, size)
    return _share(domain.logits.argmax(dim=1) == labels, labels != domain.ignore_index)
