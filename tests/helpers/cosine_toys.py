"""A small cosine loss and small domains for its tests."""

from __future__ import annotations

from typing import Any

import torch

from mmseg_cosda.models.alignments import ClassWiseCosineLoss
from mmseg_cosda.models.alignments.base import DomainBatch

C, K = 3, 4


def loss_module(**options: Any) -> ClassWiseCosineLoss:
    taps = dict(last=dict(feature="backbone[-1]", channels=K, threshold=0.2))
    return ClassWiseCosineLoss(
        **{**dict(num_classes=C, taps=taps, queue_size=50, loss_weight=1.0), **options}
    )


def domain(
    seed: int, size: int = 1, labels: bool = True, grad: bool = False, **maps: Any
) -> DomainBatch:
    generator = torch.Generator().manual_seed(seed)
    feature = torch.randn(size, K, 3, 5, generator=generator).requires_grad_(grad)
    label = torch.randint(C, (size, 6, 10), generator=generator)
    label[:, 0] = 255
    return DomainBatch(
        features={"backbone[-1]": feature, **maps},
        logits=torch.randn(size, C, 3, 5, generator=generator),
        labels=label if labels else None,
        image_size=(6, 10),
        align_corners=True,
        ignore_index=255,
        step_seed=seed,
    )
