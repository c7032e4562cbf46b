"""The cosine loss's processes A and B image by image, in the loops of references.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from helpers import option_references, references
from helpers.cosine_toys import C, K, domain
from mmseg_cosda.models.alignments.base import DomainBatch

MAP = "backbone[-1]"
T_COS = 0.2


def target_labels(target: DomainBatch, least: float = 0.0) -> Tensor:
    """Process B of each image, (B, h, w), in loops."""
    images = []
    for b in range(len(target.logits)):
        predicted = option_references.confident(target.logits[b], least)
        if target.labels is not None:
            pseudo = references.nearest(target.labels[b], 3, 5)
            predicted = references.eq7_augment(pseudo, predicted)
        images.append(predicted)
    return torch.stack(images)


def source_rows(source: DomainBatch, center: Tensor | None = None) -> Any:
    """Rows and classes of process A of each image, in loops."""
    assert source.labels is not None
    for b, f in enumerate(source.features[MAP].detach()):
        f = f if center is None else f - center[:, None, None]
        truth = references.nearest(source.labels[b], 3, 5)
        predicted = references.argmax_over_classes(source.logits[b])
        labels = references.eq6_correct(predicted, truth)
        yield f.flatten(1).t(), labels.flatten()


def memory_of(
    sources: list[DomainBatch], centers: list[Tensor | None]
) -> tuple[Tensor, Tensor]:
    """The queue (C, Q, K) and its counts after these source batches."""
    memory = references.Dictionary(C, 50)
    for source, center in zip(sources, centers, strict=True):
        for rows, labels in source_rows(source, center):
            memory.enqueue(rows, labels)
    counts = torch.tensor([len(D) for D in memory.D])
    queue = torch.zeros(C, 50, K, dtype=torch.float64)
    for c, D in enumerate(memory.D):
        for q, d in enumerate(D):
            queue[c, q] = d
    return queue, counts


def by_loops(
    target: DomainBatch,
    queue: Tensor,
    counts: Tensor,
    center: Tensor | None = None,
    least: float = 0.0,
    k: int | None = None,
) -> tuple[Tensor, int]:
    """The mean of the images' losses, unweighted, and how many pairs count."""
    losses, chosen = [], 0
    for f, labels in zip(
        target.features[MAP], target_labels(target, least), strict=True
    ):
        f = f if center is None else f - center[:, None, None]
        loss, sizes = option_references.top_k_loss(
            f.flatten(1).t(), labels.flatten(), queue, counts, T_COS, "mean", k
        )
        losses.append(loss)
        chosen += sum(sizes)
    return torch.stack(losses).mean(), chosen


def running_means(sources: list[DomainBatch], momentum: float = 0.01) -> list[Tensor]:
    """The mean after each batch: the first one's, then (1 - a) mu + a f."""
    means: list[Tensor] = []
    for source in sources:
        f, total = source.features[MAP].detach(), torch.zeros(K)
        for b in range(len(f)):
            for y in range(3):
                for x in range(5):
                    total = total + f[b, :, y, x]
        batch = total / (len(f) * 15)
        if means:
            batch = (1 - momentum) * means[-1] + momentum * batch
        means.append(batch)
    return means


def shifted(seed: int, size: int = 1, **options: Any) -> DomainBatch:
    """A domain whose features share a large direction, as rectified ones do."""
    made = domain(seed, size, **options)
    with torch.no_grad():
        made.features[MAP].add_(torch.tensor([3.0, 2.0, 1.0, 0.0])[:, None, None])
    return made


def gradient(loss: Tensor, target: DomainBatch) -> Tensor:
    return torch.autograd.grad(loss, target.features[MAP], retain_graph=True)[0]


def assert_same(loss: Tensor, expected: Tensor, target: DomainBatch) -> None:
    """Compare values and the target's gradients."""
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient(loss, target), gradient(expected, target))
