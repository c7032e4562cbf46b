"""The cosine loss's departures from the paper as naive loops, beside references.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.references import IGNORE, argmax_over_classes, eq9_similarity


def most_similar(M: Sequence[float], T_cos: float, k: int | None) -> list[int]:
    """Which pairs of a target feature count: the first k by similarity, then place."""
    order = sorted((j for j, m in enumerate(M) if m > T_cos), key=lambda j: (-M[j], j))
    return order if k is None else order[:k]


def top_k_loss(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    T_cos: float,
    reduction: str,
    k: int | None,
) -> tuple[Tensor, list[int]]:
    """Eq. 10 over the pairs that count, and their number by class."""
    C = len(queue)
    total = (0 * features.double()).sum()
    sizes = []
    for c in range(C):
        distances = []
        for t, label in zip(features, labels.tolist(), strict=True):
            if label != c:
                continue
            M = [eq9_similarity(t, queue[c, q]) for q in range(int(counts[c]))]
            chosen = most_similar([float(m.detach()) for m in M], T_cos, k)
            distances += [1 - M[j] for j in chosen]
        sizes.append(len(distances))
        if distances:
            value = torch.stack(distances).sum()
            total = total + (value / len(distances) if reduction == "mean" else value)
    return total / C, sizes


def all_classes_loss(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    T_cos: float,
    reduction: str,
    k: int | None,
) -> tuple[Tensor, int]:
    """Eq. 10 with one class, D being the features of all, and how many pairs count."""
    distances = []
    for t, label in zip(features, labels.tolist(), strict=True):
        if not 0 <= label < len(queue):
            continue
        D = [queue[c, q] for c in range(len(queue)) for q in range(int(counts[c]))]
        M = [eq9_similarity(t, d) for d in D]
        chosen = most_similar([float(m.detach()) for m in M], T_cos, k)
        distances += [1 - M[j] for j in chosen]
    if not distances:
        return (0 * features.double()).sum(), 0
    value = torch.stack(distances).sum()
    return value / len(distances) if reduction == "mean" else value, len(distances)


def confident(p: Tensor, least: float) -> Tensor:
    """c_max of (C, h, w) logits, ignored where its probability is below this."""
    out = argmax_over_classes(p)
    for i in range(p.shape[1]):
        for j in range(p.shape[2]):
            scores = [math.exp(float(x)) for x in p[:, i, j]]
            if max(scores) / sum(scores) < least:
                out[i, j] = IGNORE
    return out


def repulsion(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    margin: float,
) -> Tensor:
    """Mean over pixels and other classes of max(0, mean similarity - margin)."""
    terms = []
    for t, y in zip(features, labels.tolist(), strict=True):
        for c in range(len(queue)):
            if not 0 <= y < len(queue) or c == y or int(counts[c]) == 0:
                continue
            M = [eq9_similarity(t, queue[c, q]) for q in range(int(counts[c]))]
            above = torch.stack(M).mean() - margin
            terms.append(above if float(above.detach()) > 0 else 0 * above)
    if not terms:
        return (0 * features.double()).sum()
    return torch.stack(terms).mean()
