"""Confident target predictions by a robust entropy (FDA)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_cosda.models.alignments.adversarial_loss import own_regions
from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.option_checks import require_integers, require_numbers


def normalized_entropy(logits: Tensor) -> Tensor:
    """Entropy of each pixel's softmax, as a share of its largest value.

    e = -sum_c p_c ln(p_c) / ln(C), with p = softmax(logits) over the classes.

    Args:
        logits: (B, C, h, w), C >= 2; half precision is widened to float32.

    Returns:
        e, (B, h, w) in [0, 1], at least float32.

    Examples:
        >>> normalized_entropy(torch.zeros(1, 4, 1, 1)).item()
        1.0
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_p = F.log_softmax(logits, dim=1, dtype=dtype)
    return -(log_p.exp() * log_p).sum(dim=1) / math.log(logits.shape[1])


@MODELS.register_module()
class EntropyLoss(BaseAlignment):
    r"""Makes target predictions confident, uncertain pixels before nearly certain ones.

    .. math::
        L_{ent} = w \cdot \operatorname{mean}_i (e_i^2 + \epsilon)^{\eta}, \qquad
        e_i = -\frac{1}{\ln C} \sum_c p_{ic} \ln p_{ic}

    over the positions of the decode head's logits of target images, before they are
    upsampled. Padding counts nowhere; the mean of a batch is the mean of its images'.

    Args:
        loss_weight: w. Default 0.005, the paper's.
        power: eta; above 0.5 an uncertain pixel is pushed harder than a certain one.
            Default 2, the paper's.
        eps: epsilon, which keeps the gradient finite at e = 0. Default 1e-8, the
            public code's.
        start_iter: Iterations without this loss (the public ``switch2entropy``); the
            count is in the state dict, so that a resumed training goes on with it.
            Default 0.
        init_cfg: The host's initialization config.

    Raises:
        ValueError: If an option is out of range.

    Source: eq. 3 of Yang and Soatto, FDA, 2020.

    Examples:
        >>> loss = EntropyLoss(loss_weight=0.005)
        >>> batch = DomainBatch({}, torch.zeros(1, 3, 5, 9), None, (33, 65), True, 255)
        >>> {key: round(v.item(), 4) for key, v in loss.on_target(batch).items()}
        {'loss': 0.005, 'mean': 1.0}
    """

    passed: Tensor

    def __init__(
        self,
        loss_weight: float = 0.005,
        power: float = 2.0,
        eps: float = 1e-8,
        start_iter: int = 0,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        require_numbers(
            "EntropyLoss", 0, math.inf, loss_weight=loss_weight, power=power, eps=eps
        )
        require_integers("EntropyLoss", 0, start_iter=start_iter)
        self.loss_weight, self.power, self.eps = loss_weight, power, eps
        self.start_iter = start_iter
        self.register_buffer("passed", torch.zeros((), dtype=torch.int64))

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Judge the target's predictions, and count the iteration.

        Args:
            domain: The target images of the step.

        Returns:
            ``loss``, L_ent, 0 before ``start_iter``; ``mean``, that of e.
        """
        entropy = normalized_entropy(domain.logits)
        robust = (entropy.square() + self.eps) ** self.power
        started = self.passed >= self.start_iter
        self.passed.add_(1)
        loss = self.loss_weight * _mean(robust, domain)
        return {"loss": started * loss, "mean": _mean(entropy.detach(), domain)}


def _mean(values: Tensor, domain: DomainBatch) -> Tensor:
    """Return the mean over images of the mean over their own positions (B, h, w)."""
    if domain.pixels is None:  # all images are of one size: one mean is both
        return values.mean()
    own = own_regions(domain.pixels, values.unsqueeze(1)).squeeze(1)
    kept = torch.where(own, values, 0.0).sum(dim=(1, 2))
    return (kept / own.sum(dim=(1, 2)).clamp(min=1)).mean()
