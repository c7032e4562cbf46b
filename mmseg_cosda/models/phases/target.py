"""The target phase: pseudo-labels and alignments on the unlabelled domain."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS

from mmseg_cosda.models.phases.base import (
    Losses,
    Phase,
    Step,
    any_labels,
    with_prefix,
)


@MODELS.register_module()
class TargetPhase(Phase):
    r"""Self-training on the target's pseudo-labels; each alignment sees the target.

    .. math:: L^T_{seg}(x^t) + \sum_a L_a(x^s, x^t) \qquad \text{(eq. 2, 11, 12)}

    L^T_seg is there where the target has pseudo-labels, as ``target.<head>.*``, with
    ``target.coverage``, their share of the pixels. Without pseudo-labels and
    alignments the target isn't forwarded at all, which is source-only training; with
    ``model.target_bn`` it is forwarded without a loss.
    """

    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Forward the target images, where anything asks for them.

        Args:
            segmentor: The segmentor that trains.
            step: The iteration's batch.

        Returns:
            The heads' losses and those of the alignments.
        """
        images, samples = step.images["target"], step.samples["target"]
        if not any_labels(samples) and not segmentor.alignments:
            if segmentor.target_bn:
                with torch.no_grad():  # updates BatchNorm's running statistics alone
                    segmentor.run("target", images, samples, step)
            return {}
        domain, losses = segmentor.run("target", images, samples, step)
        if domain.labels is not None:
            coverage = (domain.labels != domain.ignore_index).float().mean()
            losses["target.coverage"] = coverage
        for name, alignment in segmentor.alignments.items():
            losses.update(with_prefix(name, alignment.on_target(domain)))
        return losses
