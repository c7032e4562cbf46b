"""The paper's alignment: class-wise cosine similarity to queued source features."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import get_rank
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.engine.distributed import gather_rows
from mmseg_cosda.models.diagnosis import MatchCounts, count_matches
from mmseg_cosda.models.domain import DomainBatch
from mmseg_cosda.models.functional import (
    MatchStatistics,
    augment_pseudo_labels,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
    split_source,
)
from mmseg_cosda.models.losses.cosine_taps import CosineTap, build_taps
from mmseg_cosda.models.memory import ClassFeatureQueue, random_subset
from mmseg_cosda.randomness import derive_seed


@MODELS.register_module()
class ClassWiseCosineLoss(nn.Module):
    r"""Pull target features towards the most similar source features of their class.

    .. math::
        M^c = \frac{{T^c}^T D^c}{\|T^c\|_2^T \|D^c\|_2} \quad \text{(eq. 9)}, \qquad
        L_{cos} = \frac{1}{C} \sum_{c=1}^{C}
            \big\| \hat{M}^c - 1 \big\|_1^1 \quad \text{(eq. 10)}

    over the pairs with M^c > T_cos. D, the dictionary, holds the newest source
    features that were classified correctly (process A, eq. 6); T^c are the target
    features whose pseudo-label, or prediction where there is none, is c (process B,
    eq. 7 and 8). With several taps the loss is their mean (eq. 20). Gradients flow
    into the target's features alone.

    Args:
        num_classes: C.
        taps: Named feature maps: ``feature`` (a tap path such as "backbone[-1]"),
            ``channels`` K, ``threshold`` T_cos in [-1, 1] and optionally
            ``label_padding``, pixels by which the network pads its input, to align
            labels with the map's geometry; the paper resizes labels straight (0).
        queue_size: dict-size, source features kept per class; the paper's 2,500 for
            DeepLabV2.
        loss_weight: lambda_cos; the paper's 0.01 for DeepLabV2.
        reduction: "mean" or "sum" over the selected pairs of a class. Eq. 10 writes
            a sum; over some 10^7 pairs it would drown the cross-entropy at the
            paper's weight, so that a mean is assumed.
        use_queue: Whether source features are remembered; without, target image i
            is compared with source image i alone, however many features it has
            (Table 4, "w/o Dictionary").
        class_wise: Whether features are split by class; without, all target features
            are compared with all of the current source image's, with no correctness
            filter and no queue (Table 4, "w/o Class-wise Split").
        enqueue_limit: At most so many random features per class and image enter the
            queue, None for all. Taken literally (None), a frequent class's queue is
            replaced each iteration by the last pixels of one image.
        queue_dtype: "float32", or "float16" for half the memory (an error of 4e-6).

    Raises:
        ValueError: If an option is out of range or a map has other channels.

    Source: section 3.2, appendices B and D, Tables 4 to 6 of the paper.
    """

    def __init__(
        self,
        num_classes: int,
        taps: dict[str, dict[str, Any]],
        queue_size: int = 2500,
        loss_weight: float = 0.01,
        reduction: str = "mean",
        use_queue: bool = True,
        class_wise: bool = True,
        enqueue_limit: int | None = None,
        queue_dtype: str = "float32",
    ) -> None:
        super().__init__()
        _check(
            num_classes, queue_size, loss_weight, reduction, enqueue_limit, queue_dtype
        )
        self.num_classes = num_classes
        self.taps = build_taps(taps)
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.class_wise = class_wise
        self.use_queue = use_queue and class_wise
        self.enqueue_limit = enqueue_limit
        self.queues = nn.ModuleDict()
        if self.use_queue:
            for name, tap in self.taps.items():
                self.queues[name] = ClassFeatureQueue(
                    num_classes, queue_size, tap.channels, getattr(torch, queue_dtype)
                )
        # Blocks of the current source images, by tap: what the queue replaces.
        self._current: dict[str, list[list[Tensor]]] = {}

    @property
    def feature_paths(self) -> tuple[str, ...]:
        """Tap paths that the segmentor records."""
        return tuple(tap.feature for tap in self.taps.values())

    @torch.no_grad()
    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Remember the source features (process A, eq. 6).

        Args:
            domain: The source images with ground truth.

        Returns:
            The mean fill of the queues, in [0, 1].
        """
        if domain.labels is None:
            raise ValueError("the cosine loss needs ground truth on the source")
        predictions = domain.logits.argmax(dim=1)
        for name, tap in self.taps.items():
            feature = tap.checked(domain.features[tap.feature], name)
            labels = split_source(
                tap.resize(predictions, feature, domain.ignore_index),
                tap.resize(domain.labels, feature, domain.ignore_index),
                domain.ignore_index,
            )
            if self.use_queue:
                self._enqueue(name, feature, labels, domain.step_seed)
            else:
                self._current[name] = [
                    self._blocks(each, label)
                    for each, label in zip(feature, labels, strict=True)
                ]
        if not self.use_queue:
            return {}
        fills = [fill.mean() for fill in self._fills().values()]
        return {"queue_fill": torch.stack(fills).mean()}

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Return the loss on the target features (process B, eq. 7 to 10).

        Args:
            domain: The target images, with or without pseudo-labels.

        Returns:
            ``loss``, weighted, and ``selected``, the share of pairs with
            M > T_cos; with several taps also each one's share.
        """
        predictions = domain.logits.detach().argmax(dim=1)
        losses, shares = [], {}
        for name, tap in self.taps.items():
            feature = tap.checked(domain.features[tap.feature], name)
            labels = _split_target(domain, predictions, tap, feature)
            results = [
                self._image_loss(name, i, rows, labels[i])
                for i, rows in enumerate(_rows(feature))
            ]
            losses += [loss for loss, _ in results]
            pairs = torch.stack([stats.pairs.sum() for _, stats in results]).sum()
            chosen = torch.stack([stats.selected.sum() for _, stats in results]).sum()
            shares[f"selected_{name}"] = chosen / pairs.clamp(min=1)
        self._current.clear()
        logs = {"loss": self.loss_weight * torch.stack(losses).mean()}
        logs["selected"] = torch.stack(list(shares.values())).mean()
        return {**logs, **shares} if len(shares) > 1 else logs

    def report(self) -> dict[str, Tensor]:
        """Return figures of each class's queue, (C,) each.

        Returns:
            Per tap its fill, in [0, 1], and the mean age of its features, in pushes
            (source images of each process).
        """
        figures = {f"queue_fill_{name}": fill for name, fill in self._fills().items()}
        for name in self.queues:
            figures[f"queue_age_{name}"] = self._queue(name).ages()
        return figures

    @torch.no_grad()
    def diagnose(self, domain: DomainBatch, truth: Tensor) -> dict[str, MatchCounts]:
        """Count what the loss would select on labelled target images, and how rightly.

        Args:
            domain: The target images, with or without pseudo-labels.
            truth: Their ground truth, (B, H, W).

        Returns:
            Counts per tap; none without a queue, which leaves nothing to compare with.
        """
        predictions = domain.logits.argmax(dim=1)
        found = {}
        for name in self.queues:
            tap = self.taps[name]
            feature = tap.checked(domain.features[tap.feature], name)
            found[name] = count_matches(
                _rows(feature).flatten(0, 1),
                _split_target(domain, predictions, tap, feature).flatten(),
                tap.resize(truth, feature, domain.ignore_index).flatten(),
                *self._queue(name).as_tensors(),
                tap.threshold,
            )
        return found

    def _fills(self) -> dict[str, Tensor]:
        queues = {name: self._queue(name) for name in self.queues}
        return {name: queue.counts / queue.capacity for name, queue in queues.items()}

    def _queue(self, name: str) -> ClassFeatureQueue:
        queue = self.queues[name]
        assert isinstance(queue, ClassFeatureQueue)  # what __init__ has put there
        return queue

    def _enqueue(
        self, name: str, feature: Tensor, labels: Tensor, step_seed: int
    ) -> None:
        """Enqueue the images of all ranks in order, the same on each rank."""
        first = get_rank() * len(feature)
        for index, rows in enumerate(_rows(feature)):
            label = labels[index].flatten()
            if self.enqueue_limit is not None:
                generator = torch.Generator(feature.device)
                generator.manual_seed(derive_seed(step_seed, first + index))
                label = random_subset(
                    label, self.num_classes, self.enqueue_limit, generator
                )
            self._queue(name).enqueue(*gather_rows(rows, label, self.num_classes))

    def _blocks(self, feature: Tensor, labels: Tensor) -> list[Tensor]:
        """Split one source image's unit features (K, h, w) by class."""
        rows = nn.functional.normalize(_rows(feature[None])[0].float(), dim=1)
        if not self.class_wise:
            return [rows]
        flat = labels.flatten()
        return [rows[flat == c] for c in range(self.num_classes)]

    def _image_loss(
        self, name: str, image: int, rows: Tensor, labels: Tensor
    ) -> tuple[Tensor, MatchStatistics]:
        """Return eq. 10 of one target image, unweighted, and what was matched."""
        threshold = self.taps[name].threshold
        labels = labels.flatten()
        if self.use_queue:
            queue, counts = self._queue(name).as_tensors()
            return class_wise_cosine_loss_with_statistics(
                rows,
                labels,
                queue,
                counts,
                threshold,
                self.reduction,
                queue_is_normalized=True,
            )
        if name not in self._current:
            raise ValueError(
                "the cosine loss without a queue needs on_source before on_target"
            )
        if not self.class_wise:
            labels = torch.zeros_like(labels)
        return class_wise_cosine_loss_from_blocks(
            rows, labels, self._current[name][image], threshold, self.reduction
        )


def _split_target(
    domain: DomainBatch, predictions: Tensor, tap: CosineTap, feature: Tensor
) -> Tensor:
    """Return the class of each target pixel of a map (process B), (B, h, w)."""
    labels = tap.resize(predictions, feature, domain.ignore_index)
    if domain.labels is None:
        return labels
    return augment_pseudo_labels(
        tap.resize(domain.labels, feature, domain.ignore_index),
        labels,
        domain.ignore_index,
    )


def _rows(feature: Tensor) -> Tensor:
    """View maps (B, K, h, w) as rows (B, h * w, K), in raster order."""
    return feature.flatten(2).transpose(1, 2)


def _check(
    num_classes: int,
    queue_size: int,
    loss_weight: float,
    reduction: str,
    enqueue_limit: int | None,
    queue_dtype: str,
) -> None:
    for key, value in {
        "num_classes": num_classes,
        "queue_size": queue_size,
        "enqueue_limit": enqueue_limit,
    }.items():
        if value is not None and value < 1:
            raise ValueError(f"ClassWiseCosineLoss: {key}={value} must be positive")
    if loss_weight < 0:
        raise ValueError(
            f"ClassWiseCosineLoss: loss_weight={loss_weight} must not be negative"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(
            f"ClassWiseCosineLoss: reduction={reduction!r}, choose 'mean' or 'sum'"
        )
    if queue_dtype not in ("float32", "float16"):
        raise ValueError(
            f"ClassWiseCosineLoss: queue_dtype={queue_dtype!r}, choose 'float32' or "
            "'float16'"
        )
