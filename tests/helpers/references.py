"""Every formula of the paper as naive loops in its symbols: slow, float64, obvious.

Nothing here is shared with the package: the tests compare the two.
``0`` is the paper's ignore symbol; here it is ``IGNORE`` and classes start at 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

IGNORE = 255


def nearest(y: Tensor, h: int, w: int) -> Tensor:
    """I_nearest: (H, W) -> (h, w), the pixel at floor(i * H / h)."""
    H, W = y.shape
    out = torch.empty(h, w, dtype=y.dtype)
    for i in range(h):
        for j in range(w):
            out[i, j] = y[i * H // h, j * W // w]
    return out


def argmax_over_classes(p: Tensor) -> Tensor:
    """c_max of (C, h, w) scores, the first maximum, (h, w)."""
    C, h, w = p.shape
    out = torch.zeros(h, w, dtype=torch.int64)
    for i in range(h):
        for j in range(w):
            for c in range(1, C):
                if p[c, i, j] > p[out[i, j], i, j]:
                    out[i, j] = c
    return out


def eq4_pseudo_label(P: Tensor, tau: Sequence[float]) -> Tensor:
    """Eq. 4: keep the class where its probability exceeds tau^c, else ignore."""
    C_max = argmax_over_classes(P)
    y_hat = torch.full_like(C_max, IGNORE)
    for i in range(P.shape[1]):
        for j in range(P.shape[2]):
            c = int(C_max[i, j])
            if float(P[c, i, j]) > tau[c]:
                y_hat[i, j] = c
    return y_hat


def eq6_correct(c_max: Tensor, y_tilde: Tensor) -> Tensor:
    """Eq. 6: c_hat, the class where prediction and ground truth agree."""
    c_hat = torch.full_like(c_max, IGNORE)
    for i in range(c_max.shape[0]):
        for j in range(c_max.shape[1]):
            if c_max[i, j] == y_tilde[i, j]:
                c_hat[i, j] = c_max[i, j]
    return c_hat


def eq7_augment(y_tilde: Tensor, c_max: Tensor) -> Tensor:
    """Eq. 7: the pseudo-label, its ignored pixels replaced by the prediction."""
    y_dot = y_tilde.clone()
    for i in range(c_max.shape[0]):
        for j in range(c_max.shape[1]):
            if y_tilde[i, j] == IGNORE:
                y_dot[i, j] = c_max[i, j]
    return y_dot


def eq8_split(f: Tensor, c_map: Tensor, C: int) -> list[list[Tensor]]:
    """Eq. 6 to 8, last lines: the columns of f (k, h, w) per class, raster order."""
    split: list[list[Tensor]] = [[] for _ in range(C)]
    for i in range(c_map.shape[0]):
        for j in range(c_map.shape[1]):
            c = int(c_map[i, j])
            if 0 <= c < C:
                split[c].append(f[:, i, j])
    return split


def eq9_similarity(t: Tensor, d: Tensor) -> Tensor:
    """Eq. 9, one element of M^c; a zero vector is similar to nothing (0)."""
    t, d = t.double(), d.detach().double()
    t_norm, d_norm = (t * t).sum().sqrt(), (d * d).sum().sqrt()
    if float(t_norm.detach()) == 0 or float(d_norm) == 0:
        return (t * 0).sum()
    return (t * d).sum() / (t_norm * d_norm)


def eq10_loss(
    T: Sequence[Sequence[Tensor]],
    D: Sequence[Sequence[Tensor]],
    T_cos: float,
    reduction: str = "mean",
) -> Tensor:
    """Eq. 10: (1/C) sum_c of |1 - M| over the pairs with M > T_cos."""
    C = len(D)
    total = torch.zeros((), dtype=torch.float64)
    for c in range(C):
        chosen = []
        for t in T[c]:
            for d in D[c]:
                M = eq9_similarity(t, d)
                if float(M.detach()) > T_cos:
                    chosen.append(1 - M)
        if chosen:
            class_sum = torch.stack(chosen).sum()
            total = total + (
                class_sum / len(chosen) if reduction == "mean" else class_sum
            )
    return total / C


def class_wise_cosine_loss(
    features: Tensor,
    labels: Tensor,
    queue: Tensor,
    counts: Tensor,
    threshold: float,
    reduction: str = "mean",
) -> Tensor:
    """Eq. 9 and 10 with the arguments of the package's function of this name."""
    C = queue.shape[0]
    T: list[list[Tensor]] = [[] for _ in range(C)]
    for n in range(len(labels)):
        if 0 <= int(labels[n]) < C:
            T[int(labels[n])].append(features[n])
    D = [[queue[c, q] for q in range(int(counts[c]))] for c in range(C)]
    # Without a single pair the zero still belongs to the features' graph.
    kept = torch.where(torch.isfinite(features), features, torch.zeros_like(features))
    return eq10_loss(T, D, threshold, reduction) + 0 * kept.double().sum()


def eq13_thresholds(
    P_max: Sequence[float], C_max: Sequence[int], C: int, cap: float = 0.9
) -> list[float]:
    """Eq. 13: tau^c, the median confidence of the pixels predicted as c, capped."""
    tau = []
    for c in range(C):
        x = sorted(p for p, k in zip(P_max, C_max, strict=True) if k == c)
        tau.append(min(x[min(round(len(x) * 0.5), len(x) - 1)], cap) if x else 0.0)
    return tau


def eq17_source(C_max: Tensor, y: Tensor, h: int, w: int) -> Tensor:
    """Eq. 17 for one layer: prediction (eq. 16) and ground truth, both resized."""
    return eq6_correct(nearest(C_max, h, w), nearest(y, h, w))


def eq18_target(y_hat: Tensor, C_max: Tensor, h: int, w: int) -> Tensor:
    """Eq. 18 for one layer: pseudo-label and prediction resized, then augmented."""
    return eq7_augment(nearest(y_hat, h, w), nearest(C_max, h, w))


def eq20_loss(
    layers: Mapping[str, tuple[Sequence[Sequence[Tensor]], Sequence[Sequence[Tensor]]]],
    T_cos: Mapping[str, float],
    reduction: str = "mean",
) -> Tensor:
    """Eq. 19 and 20: the mean over layers l of eq. 10 with T_cos,l."""
    losses = [
        eq10_loss(T, D, T_cos[name], reduction) for name, (T, D) in layers.items()
    ]
    return torch.stack(losses).sum() / len(layers)


class Dictionary:
    """D of section 3.2: per class a first-in-first-out list of dict-size features."""

    def __init__(self, C: int, dict_size: int) -> None:
        self.D: list[deque[Tensor]] = [deque(maxlen=dict_size) for _ in range(C)]

    def enqueue(self, features: Tensor, labels: Tensor) -> None:
        for f, c in zip(features, labels.tolist(), strict=True):
            if 0 <= c < len(self.D):
                self.D[c].append(f.detach().double() / f.detach().double().norm())
