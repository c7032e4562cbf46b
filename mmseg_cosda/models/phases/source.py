"""The source phase: supervised training on the labelled domain."""

from __future__ import annotations

from typing import Any

from mmseg.registry import MODELS

from mmseg_cosda.models.phases.base import Losses, Phase, Step, with_prefix
from mmseg_cosda.option_checks import require_choices


@MODELS.register_module()
class SourcePhase(Phase):
    r"""Supervised training on the source; each alignment sees it.

    .. math:: L^S_{seg}(x^s) + \sum_a L_a(x^s) \qquad \text{(eq. 1)}

    The heads' losses against ground truth are ``source.<head>.*``; then each
    alignment's ``on_source``.

    Args:
        divisor: What the sum over pixels is divided by: "valid", the pixels with a
            label; "all"; or None, the default, for what ``avg_non_ignore`` of the
            head's loss says.
    """

    def __init__(self, divisor: str | None = None) -> None:
        require_choices("SourcePhase", None, "valid", "all", divisor=divisor)
        self.divisor = divisor

    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Forward the source images.

        Args:
            segmentor: The segmentor that trains.
            step: The iteration's batch.

        Returns:
            The heads' losses and those of the alignments.

        Raises:
            ValueError: If the source has no labels.
        """
        images = step.images["source"]
        # Before the student's graph is there: what it needs is freed by then.
        reference = segmentor.reference_maps(images)
        domain, losses = segmentor.run(
            "source",
            images,
            step.samples["source"],
            step,
            divisor=self.divisor,
            reference=reference,
        )
        if domain.labels is None:
            raise ValueError(
                "the source domain has no labels; add a label loading transform to "
                "the pipeline of train_dataloader.dataset.source"
            )
        for name, alignment in segmentor.alignments.items():
            losses.update(with_prefix(name, alignment.on_source(domain)))
        return losses
