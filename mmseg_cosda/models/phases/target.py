"""The target phase: pseudo-labels and alignments on the unlabelled domain."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.phases.base import (
    Losses,
    Phase,
    Step,
    any_labels,
    check_phase_options,
    truth_of,
    with_prefix,
)
from mmseg_cosda.option_checks import require_choices


@MODELS.register_module()
class TargetPhase(Phase):
    r"""Self-training on the target's pseudo-labels; each alignment sees the target.

    .. math:: L^T_{seg}(x^t) + \sum_a L_a(x^s, x^t) \qquad \text{(eq. 2, 11, 12)}

    L^T_seg is there where the target has pseudo-labels, as ``target.<head>.*``, with
    ``target.coverage``, their share of the pixels. Without pseudo-labels and
    alignments the target isn't forwarded at all, which is source-only training; with
    ``model.target_bn`` it is forwarded without a loss.

    Args:
        labels: "pseudo", those that the dataset gives, or none; or "teacher", the
            class of ``model.teacher`` where it is confident: pseudo-labels without a
            first stage. Ground truth that an image has is used in place of them.
        cross_entropy: Whether the labels are trained on. Without, they only tell the
            alignments which class a pixel has.
        align: Whether it shows the alignments the target.
        class_weight: Whether ``class_weight`` of the heads' losses counts here. By
            default it doesn't: a network that was trained with it predicts rare
            classes too often, and weighing its own guesses by it makes them more.
            True where the target's labels are ground truth.
        start_iter: The first iteration in which it runs.

    Raises:
        ValueError: If an option is out of range, or nothing is left to do.
    """

    def __init__(
        self,
        labels: str = "pseudo",
        cross_entropy: bool = True,
        align: bool = True,
        start_iter: int = 0,
        class_weight: bool = False,
    ) -> None:
        owner = "TargetPhase"
        require_choices(owner, "pseudo", "teacher", labels=labels)
        check_phase_options(
            owner,
            start_iter,
            align=align,
            cross_entropy=cross_entropy,
            class_weight=class_weight,
        )
        if not (align or cross_entropy):
            raise ValueError(
                "TargetPhase: with align=False and cross_entropy=False it does "
                "nothing; turn one on, or give None in its place"
            )
        self.needs_teacher = labels == "teacher"
        self.cross_entropy = cross_entropy
        self.align = align
        self.class_weight = class_weight
        self.start_iter = start_iter

    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Forward the target images, where anything asks for them.

        Args:
            segmentor: The segmentor that trains.
            step: The iteration's batch.

        Returns:
            The heads' losses and those of the alignments.
        """
        images, samples = step.images["target"], step.samples["target"]
        labelled = self.needs_teacher or any_labels(samples)
        alignments = segmentor.alignments if self.align else {}
        if not (labelled and self.cross_entropy) and not alignments:
            if segmentor.target_bn:
                with torch.no_grad():  # updates BatchNorm's running statistics alone
                    segmentor.run("target", images, samples, step)
            return {}
        labels = self._teacher_labels(segmentor, step) if self.needs_teacher else None
        domain, losses = segmentor.run(
            "target",
            images,
            samples,
            step,
            labels=labels,
            cross_entropy=self.cross_entropy,
            truth=truth_of(images, self.class_weight),
        )
        if domain.labels is not None:
            coverage = (domain.labels != domain.ignore_index).float().mean()
            losses["target.coverage"] = coverage
        for name, alignment in alignments.items():
            losses.update(with_prefix(name, alignment.on_target(domain)))
        return losses

    @staticmethod
    def _teacher_labels(segmentor: Any, step: Step) -> Tensor:
        """Return the teacher's classes where it is confident, (B, H, W)."""
        ignore_index = segmentor.decode_head.ignore_index
        teacher = step.target_labels()
        return teacher.labels.masked_fill(~teacher.confident, ignore_index)
