"""Values that train but can't be meant, told once each at a log line."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor

from mmseg_cosda.models.fused.repulsion import class_means

MOST_SELECTED = 0.95
"""Share of the pairs that exceed T_cos, beyond which it selects nothing out."""

MOST_ALIKE = 0.95
"""Mean similarity between features of different classes, of at most 1."""


class UnlikelyValues:
    """Warns of values that train but can't be meant, once each.

    It reads what a log line reads anyway. Of the features it looks at the queues at
    every line whose number is a power of two.

    Examples:
        >>> watch = UnlikelyValues()
        >>> window = {"cosine.selected": [1.0, 0.9]}
        >>> watch.look({}, window)
        []
        >>> watch.look({}, window)  # the second log line in a row
        ['cosine.selected: 95 % ...']
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._before: set[str] = set()
        self._lines = 0

    def warn(self, runner: Any, window: Mapping[str, Sequence[float]]) -> None:
        """Log what is found.

        Args:
            runner: That trains.
            window: Values by name since the last log line.
        """
        model: Any = getattr(runner, "model", None)
        model = model.module if is_model_wrapper(model) else model
        loader = getattr(runner, "train_dataloader", None)
        labels = getattr(getattr(loader, "dataset", None), "target_labels", "pseudo")
        meant = labels == "ground_truth"
        for text in self.look(getattr(model, "alignments", {}), window, meant):
            print_log(text, logger="current", level=logging.WARNING)

    def look(
        self,
        alignments: Any,
        window: Mapping[str, Sequence[float]],
        whole_labels: bool = False,
    ) -> list[str]:
        """Return what can't be meant and hasn't been told.

        Args:
            alignments: The segmentor's, by name.
            window: Values by name since the last log line.
            whole_labels: Whether every target pixel may have a label.
        """
        self._lines += 1
        now = dict(_selections(alignments, window))
        now.update(_coverage(window, whole_labels))
        # The first iterations of a training aren't yet like those that follow.
        lasting = {key: text for key, text in now.items() if key in self._before}
        self._before = set(now)
        if self._lines & (self._lines - 1) == 0 and self._lines > 1:
            lasting.update(_similarities(alignments))
        fresh = {k: text for k, text in lasting.items() if k not in self._told}
        self._told |= set(fresh)
        return list(fresh.values())


def _selections(
    alignments: Any, window: Mapping[str, Sequence[float]]
) -> Iterator[tuple[str, str]]:
    for key, values in window.items():
        owner, _, name = key.partition(".")
        if not values or not (name == "selected" or name.startswith("selected_")):
            continue
        share = sum(values) / len(values)
        taps = dict(getattr(_get(alignments, owner), "taps", {}))
        tap = name.removeprefix("selected").removeprefix("_")
        chosen = {tap: taps[tap]} if tap in taps else taps
        # Whoever sets the smallest similarity that there is wants every pair.
        if share < MOST_SELECTED or any(t.threshold <= -1 for t in chosen.values()):
            continue
        now = ", ".join(f"{n}: {t.threshold}" for n, t in chosen.items())
        place = f"model.alignments.{owner}.taps.{tap or next(iter(chosen), '*')}"
        yield (
            key,
            f"{key}: {100 * share:.0f} % of the pairs exceed T_cos, which so selects "
            f"nothing: raise {place}.threshold ({now})",
        )


def _coverage(
    window: Mapping[str, Sequence[float]], whole_labels: bool
) -> Iterator[tuple[str, str]]:
    values = window.get("target.coverage") or ()
    key = "train_dataloader.dataset.target.pseudo_label_dir"
    if values and not any(values):
        yield (
            "target.coverage=0",
            f"target.coverage: no target pixel has a pseudo-label; check {key}, or "
            f"generate them with a lower --cap or --quantile",
        )
    if values and all(value >= 1 for value in values) and not whole_labels:
        yield (
            "target.coverage=1",
            f"target.coverage: every target pixel has a pseudo-label, so that no "
            f"threshold leaves the doubtful ones out; check {key}, or generate them "
            f"with a higher --cap or --quantile",
        )


@torch.no_grad()
def _similarities(alignments: Any) -> Iterator[tuple[str, str]]:
    for name in alignments:
        alignment = _get(alignments, name)
        for tap in getattr(alignment, "queues", ()):
            similarity = between_classes(*alignment.queue(tap).as_tensors())
            if similarity <= MOST_ALIKE:
                continue
            yield (
                f"{name}.{tap}",
                f"{name}: features of different classes are nearly alike at the tap "
                f"{tap} (mean similarity {similarity:.2f}), so that T_cos can't tell "
                f"them apart: set model.alignments.{name}.centering=True, or tap "
                f"another map (model.alignments.{name}.taps.{tap}.feature)",
            )


def between_classes(queue: Tensor, counts: Tensor) -> float:
    """Return the mean similarity of features of different classes.

    Args:
        queue: (C, Q, K) of unit norm, of which ``counts[c]`` rows are valid.
        counts: (C,).

    Returns:
        The mean over pairs of classes of the mean over pairs of their features;
        -1 where fewer than two classes have any.

    Examples:
        >>> queue = torch.tensor([[[1.0, 0.0]], [[0.6, 0.8]], [[0.0, 1.0]]])
        >>> round(between_classes(queue, torch.tensor([1, 1, 0])), 4)
        0.6
    """
    means, filled = class_means(queue, counts), (counts > 0)
    pairs = (
        filled[:, None] & filled & ~torch.eye(len(counts), device=counts.device).bool()
    )
    # The mean over pairs of unit features is the product of the classes' means.
    total = torch.where(pairs, means @ means.t(), 0).sum()
    return float(torch.where(pairs.any(), total / pairs.sum().clamp(min=1), -1.0))


def _get(alignments: Any, name: str) -> Any:
    # A ModuleDict has no get.
    return dict(alignments.items()).get(name)
