"""Adversarial alignment of the outputs (appendix C): the field's baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch

SOURCE_LABEL, TARGET_LABEL = 0.0, 1.0


def entropy_map(logits: Tensor) -> Tensor:
    """Share of each class in a pixel's entropy, scaled so that it sums to <= 1.

    I_c = -p_c log2(p_c) / log2(C), with p = softmax(logits) over the classes.

    Args:
        logits: (B, C, H, W), C >= 2.

    Returns:
        The map I, (B, C, H, W), each value in [0, 1].

    Source: Vu et al., ADVENT, 2019.

    Examples:
        >>> entropy_map(torch.zeros(1, 4, 1, 1)).flatten().tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    log_p = F.log_softmax(logits, dim=1)
    return -log_p.exp() * log_p / math.log(logits.shape[1])


def domain_cross_entropy(
    judgement: Tensor, label: float, own: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy of a judgement against one domain's label.

    Args:
        judgement: Logits, (B, 1, h, w).
        label: 0 for source, 1 for target.
        own: Which regions count, (B, 1, h, w) bool; None for all.

    Returns:
        The mean over the images of the mean over their regions, a scalar.
    """
    truth = torch.full_like(judgement, label)
    if own is None:  # all images are of one size: one mean is both
        return F.binary_cross_entropy_with_logits(judgement, truth)
    each = F.binary_cross_entropy_with_logits(judgement, truth, reduction="none")
    return _mean_of_own(each, own)


def own_regions(pixels: Tensor, judgement: Tensor) -> Tensor:
    """Tell which regions of a judgement are an image's own, for at least half.

    Args:
        pixels: Which pixels are, (B, H, W) bool.
        judgement: (B, 1, h, w).

    Returns:
        (B, 1, h, w) bool.

    Examples:
        >>> pixels = torch.tensor([[[True, True, True, False, False, False]]])
        >>> own_regions(pixels, torch.zeros(1, 1, 1, 3)).tolist()
        [[[[True, True, False]]]]
    """
    size = (judgement.shape[-2], judgement.shape[-1])
    return F.adaptive_avg_pool2d(pixels.unsqueeze(1).float(), size) >= 0.5


def _mean_of_own(values: Tensor, own: Tensor | None) -> Tensor:
    """Return the mean over images of the mean over their own regions."""
    if own is None:
        return values.mean()
    return ((values * own).sum((1, 2, 3)) / own.sum((1, 2, 3)).clamp(min=1)).mean()


@MODELS.register_module()
class AdversarialLoss(BaseAlignment):
    """Makes target predictions look like source predictions to a discriminator.

    The discriminator D learns to tell softmaxed, upsampled predictions P apart,
    each of its losses halved::

        L_D = BCE(D(P^s), 0) / 2 + BCE(D(P^t), 1) / 2                (eq. 15)

    and the segmentor to be taken for the source::

        L_adv = loss_weight * BCE(D(P^t), 0)                         (eq. 14)

    The paper writes source 1 and target 0, the same by symmetry; 0 and 1 are the
    public code's. L_D sees detached predictions and L_adv a D with detached
    weights, so that one backward of their sum moves each network by its own loss.

    Where a batch of different sizes is padded, P is zero beyond an image, as the
    discriminator's convolutions pad it, and regions beyond it don't count.

    Args:
        discriminator: Config of D, such as ``dict(type="FCDiscriminator")``; it takes
            (B, C, H, W) and returns logits.
        loss_weight: Weight of L_adv: 1e-3 for DeepLabV2 (the default), 1e-4 for
            FCN-8s.
        input: What D sees: ``"probability"`` (the paper, AdaptSegNet, BDL) or
            ``"entropy"`` (ADVENT's -p log2(p) / log2(C)).
        num_classes: C, handed to a discriminator whose config leaves it out; in a
            segmentor's config it defaults to the decode head's.
        init_cfg: The host's initialization config.

    Raises:
        ValueError: If ``loss_weight`` is negative or ``input`` is another word.

    Source: appendix C of the paper; Tsai et al., 2018; Vu et al., 2019.

    Examples:
        >>> loss = AdversarialLoss(
        ...     dict(type="FCDiscriminator", num_classes=3, base_channels=4)
        ... )
        >>> batch = DomainBatch({}, torch.zeros(1, 3, 5, 9), None, (33, 65), True, 255)
        >>> sorted(loss.on_source(batch)), sorted(loss.on_target(batch))
        (['discriminator_accuracy_source', 'loss_discriminator_source'],
         ['discriminator_accuracy_target', 'loss_adversarial',
          'loss_discriminator_target'])
    """

    def __init__(
        self,
        discriminator: Mapping[str, Any],
        loss_weight: float = 1e-3,
        input: Literal["probability", "entropy"] = "probability",
        num_classes: int | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not loss_weight >= 0:
            raise ValueError(
                f"adversarial.loss_weight is {loss_weight}: it has to be 0 or more; "
                "1e-3 suits DeepLabV2, 1e-4 FCN-8s"
            )
        if input not in ("probability", "entropy"):
            raise ValueError(
                f"adversarial.input is {input!r}: choose 'probability' (the paper) "
                "or 'entropy' (ADVENT)"
            )
        self.loss_weight = loss_weight
        self.input = input
        config = dict(discriminator)
        if num_classes is not None:
            config.setdefault("num_classes", num_classes)
        self.discriminator = MODELS.build(config)

    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Train the discriminator on source predictions.

        Args:
            domain: The source images of the step.

        Returns:
            ``loss_discriminator_source``, half of BCE(D(P^s), 0), and
            ``discriminator_accuracy_source``, the share of regions judged right.
        """
        judgement = self.discriminator(self._judged(domain).detach())
        own = _own(domain, judgement)
        right = (judgement.detach() < 0).float()
        return {
            "loss_discriminator_source": _half(judgement, SOURCE_LABEL, own),
            "discriminator_accuracy_source": _mean_of_own(right, own),
        }

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Train the segmentor against the discriminator, and the reverse.

        Args:
            domain: The target images of the step.

        Returns:
            ``loss_adversarial``, L_adv; ``loss_discriminator_target``, half of
            BCE(D(P^t), 1); ``discriminator_accuracy_target``.
        """
        seen = self._judged(domain)
        # L_adv differentiates through D, but D's own weights are constants there.
        frozen = {k: v.detach() for k, v in self.discriminator.named_parameters()}
        fooled = torch.func.functional_call(self.discriminator, frozen, (seen,))
        judgement = self.discriminator(seen.detach())
        own = _own(domain, judgement)
        right = (judgement.detach() > 0).float()
        return {
            "loss_adversarial": self.loss_weight
            * domain_cross_entropy(fooled, SOURCE_LABEL, own),
            "loss_discriminator_target": _half(judgement, TARGET_LABEL, own),
            "discriminator_accuracy_target": _mean_of_own(right, own),
        }

    def _judged(self, domain: DomainBatch) -> Tensor:
        """Upsample the logits and turn them into what D sees, (B, C, H, W)."""
        logits = F.interpolate(
            domain.logits,
            size=domain.image_size,
            mode="bilinear",
            align_corners=domain.align_corners,
        )
        entropy = self.input == "entropy"
        seen = entropy_map(logits) if entropy else F.softmax(logits, dim=1)
        return seen if domain.pixels is None else seen * domain.pixels.unsqueeze(1)


def _own(domain: DomainBatch, judgement: Tensor) -> Tensor | None:
    return None if domain.pixels is None else own_regions(domain.pixels, judgement)


def _half(judgement: Tensor, label: float, own: Tensor | None) -> Tensor:
    return 0.5 * domain_cross_entropy(judgement, label, own)
