"""The paper's alignment: class-wise cosine similarity to queued source features."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.alignments.cosine_tap import (
    build_taps,
    correct_source,
    map_rows,
    own_pixels,
    split_target,
)
from mmseg_cosda.models.alignments.running_state import FeatureMean, Warmup
from mmseg_cosda.models.alignments.source_memory import (
    CurrentSource,
    QueuedSource,
    QueuedSourceOfAllClasses,
    SourceMemory,
    UnsplitCurrentSource,
)
from mmseg_cosda.models.functional import (
    class_means,
    class_repulsion_loss,
    confident_predictions,
)
from mmseg_cosda.models.matching import MatchSums, count_matches
from mmseg_cosda.models.memory import ClassFeatureQueue
from mmseg_cosda.option_checks import (
    require_choices,
    require_integers,
    require_numbers,
)


@MODELS.register_module()
class ClassWiseCosineLoss(BaseAlignment):
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
        num_classes: C; in a segmentor's config it defaults to the decode head's.
        taps: Named feature maps: ``feature`` (a tap path such as "backbone[-1]"),
            ``channels`` K, ``threshold`` T_cos in [-1, 1] and optionally
            ``label_padding``, pixels by which the network pads its input, to align
            labels with the map's geometry; the paper resizes labels straight (0). None
            removes a map that a parent config names.
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
        split_target: Whether target features are split by class too; without, each is
            compared with the queues of all classes, of which the threshold chooses,
            and eq. 10 is one mean over all selected pairs. The paper splits (eq. 7 and
            8), which holds a wrongly classified pixel to its wrong class.
        enqueue_limit: At most this many random features per class and image enter the
            queue, None for all. Taken literally (None), a frequent class's queue is
            replaced each iteration by the last pixels of one image.
        queue_dtype: "float32", or "float16" for half the memory (an error of 4e-6).
        centering: Whether a running mean of the source's features (``FeatureMean``) is
            subtracted from those of both domains before they are compared. Rectified
            features share a large direction, so that any two classes are similar and a
            threshold hardly tells them apart. The paper doesn't center.
        top_k: At most this many pairs of each target feature count, the most similar of
            those above T_cos; None for all. "The most similar" of section 3.2 in
            words, where eq. 10 has the threshold alone; it keeps the pull local.
        min_confidence: Target pixels without a pseudo-label are left out where the
            largest softmax probability is below this, in [0, 1]: a wrong prediction
            pulls towards a wrong class. The paper takes all of them (0).
        warmup_iters: Iterations over which both weights rise linearly from 0, while
            the queue fills and the first predictions settle. The paper's loss has its
            full weight from the start (0).
        repulsion_weight: Weight of ``loss_repulsion``, which pushes target features
            away from the queues of the other classes (``class_repulsion_loss``): a
            loss that only attracts can pull all classes together. Not in the paper (0).
        repulsion_margin: Mean similarity to another class's queue that costs nothing,
            in [-1, 1].

    Raises:
        ValueError: If an option is out of range or needs another, or a map has other
            channels.

    Source: section 3.2, appendices B and D, Tables 4 to 6 of the paper.
    """

    def __init__(
        self,
        num_classes: int,
        taps: dict[str, dict[str, Any] | None],
        queue_size: int = 2500,
        loss_weight: float = 0.01,
        reduction: str = "mean",
        use_queue: bool = True,
        class_wise: bool = True,
        split_target: bool = True,
        enqueue_limit: int | None = None,
        queue_dtype: str = "float32",
        centering: bool = False,
        top_k: int | None = None,
        min_confidence: float = 0.0,
        warmup_iters: int = 0,
        repulsion_weight: float = 0.0,
        repulsion_margin: float = 0.0,
    ) -> None:
        super().__init__()
        owner = "ClassWiseCosineLoss"
        require_integers(owner, 1, num_classes=num_classes, queue_size=queue_size)
        require_integers(owner, 1, True, enqueue_limit=enqueue_limit, top_k=top_k)
        require_integers(owner, 0, warmup_iters=warmup_iters)
        require_numbers(
            owner, 0, inf, loss_weight=loss_weight, repulsion_weight=repulsion_weight
        )
        require_numbers(owner, 0, 1, min_confidence=min_confidence)
        require_numbers(owner, -1, 1, repulsion_margin=repulsion_margin)
        require_choices(owner, "mean", "sum", reduction=reduction)
        require_choices(owner, "float32", "float16", queue_dtype=queue_dtype)
        require_choices(
            owner,
            True,
            False,
            use_queue=use_queue,
            class_wise=class_wise,
            split_target=split_target,
            centering=centering,
        )
        self.num_classes = num_classes
        self.taps = build_taps(taps)
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.split_target = split_target
        self.top_k = top_k
        self.min_confidence = min_confidence
        self.repulsion_weight = repulsion_weight
        self.repulsion_margin = repulsion_margin
        if not (use_queue and class_wise):
            self._require_no_queue_is_needed(class_wise)
        if not split_target:
            self._require_positive_thresholds()
        self.memory: SourceMemory
        if not class_wise:
            self.memory = UnsplitCurrentSource(num_classes)
        elif not use_queue:
            self.memory = CurrentSource(num_classes)
        else:
            kind = QueuedSource if split_target else QueuedSourceOfAllClasses
            dtype = getattr(torch, queue_dtype)
            self.memory = kind(num_classes, self.taps, queue_size, dtype, enqueue_limit)
        # Their place in a checkpoint: queues.<tap>.*, means.<tap>.*, warmup.*
        self.queues, self.means = self.memory.queues, nn.ModuleDict()
        if centering:
            for name, tap in self.taps.items():
                self.means[name] = FeatureMean(tap.channels)
        self.warmup = Warmup(warmup_iters) if warmup_iters else None

    def _require_no_queue_is_needed(self, class_wise: bool) -> None:
        """Refuse options that need the queues, where there are none."""
        cure = "use_queue=True and class_wise=True"
        if self.repulsion_weight:
            raise ValueError(
                f"ClassWiseCosineLoss: repulsion_weight={self.repulsion_weight} needs "
                f"the queues of the other classes: {cure}"
            )
        if not self.split_target:
            raise ValueError(
                f"ClassWiseCosineLoss: split_target=False needs the queues of all "
                f"classes: {cure}; class_wise=False alone splits neither domain"
            )
        if self.min_confidence and not class_wise:
            raise ValueError(
                f"ClassWiseCosineLoss: min_confidence={self.min_confidence} needs "
                "class_wise=True: without, no pixel's class is asked for"
            )

    def _require_positive_thresholds(self) -> None:
        """Refuse a threshold that the empty rows of a queue exceed."""
        for name, tap in self.taps.items():
            if tap.threshold < 0:
                raise ValueError(
                    f"taps.{name}.threshold={tap.threshold}: split_target=False "
                    "compares with the whole queue, whose empty rows have similarity "
                    "0; choose a threshold in [0, 1]"
                )

    @property
    def feature_paths(self) -> tuple[str, ...]:  # type: ignore[override]
        """Tap paths that the segmentor records."""
        return tuple(tap.feature for tap in self.taps.values())

    @torch.no_grad()
    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Remember the source features (process A, eq. 6).

        Args:
            domain: The source images with ground truth.

        Returns:
            ``queue_fill``, the mean fill of the queues, in [0, 1].
        """
        predictions = domain.logits.argmax(dim=1)
        for name, tap in self.taps.items():
            feature = self.feature(name, domain, update_mean=True)
            labels = correct_source(domain, predictions, tap, feature)
            self.memory.remember(name, feature, labels, domain)
        fills = [fill.mean() for fill in self._fills().values()]
        return {"queue_fill": torch.stack(fills).mean()} if fills else {}

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """Return the loss on the target features (process B, eq. 7 to 10).

        Args:
            domain: The target images, with or without pseudo-labels.

        Returns:
            ``loss``, weighted, and ``selected``, the share of pairs that count, those
            with M > T_cos; with several taps also each one's share. With repulsion
            ``loss_repulsion``, weighted, with a warm-up its factor, ``warmup``.
        """
        predictions = self._predictions(domain)
        losses, repelled, shares = [], [], {}
        for name, tap in self.taps.items():
            feature = self.feature(name, domain)
            labels = split_target(domain, predictions, tap, feature)
            results = [
                self.memory.compare(
                    name, i, rows, labels[i].flatten(), tap, self.reduction, self.top_k
                )
                for i, rows in enumerate(map_rows(feature))
            ]
            losses += [loss for loss, _ in results]
            if self.repulsion_weight:
                repelled += self._repulsion(name, feature, labels)
            pairs = torch.stack([stats.pairs.sum() for _, stats in results]).sum()
            chosen = torch.stack([stats.selected.sum() for _, stats in results]).sum()
            shares[f"selected_{name}"] = chosen / pairs.clamp(min=1)
        self.memory.end_step()
        logs = {"loss": self.loss_weight * torch.stack(losses).mean()}
        if repelled:
            repulsion = self.repulsion_weight * torch.stack(repelled).mean()
            logs["loss_repulsion"] = repulsion
        if self.warmup is not None:
            factor = self.warmup.advance()
            logs = {key: factor * loss for key, loss in logs.items()}
            logs["warmup"] = factor
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
            figures[f"queue_age_{name}"] = self.queue(name).ages()
        return figures

    @torch.no_grad()
    def diagnose(self, domain: DomainBatch, truth: Tensor) -> dict[str, MatchSums]:
        """Count what the loss would select on labelled target images, and how rightly.

        Args:
            domain: The target images, with or without pseudo-labels.
            truth: Their ground truth, (B, H, W).

        Returns:
            Sums per tap; none without a queue, which leaves nothing to compare with.
        """
        predictions = self._predictions(domain)
        found = {}
        for name in self.queues:
            tap = self.taps[name]
            feature = self.feature(name, domain)
            found[name] = count_matches(
                map_rows(feature).flatten(0, 1),
                split_target(domain, predictions, tap, feature).flatten(),
                tap.resize(truth, feature, domain.ignore_index).flatten(),
                *self.queue(name).as_tensors(),
                tap.threshold,
                self.top_k,
                self.split_target,
            )
        return found

    def queue(self, name: str) -> ClassFeatureQueue:
        """Return a tap's queue; there is none with use_queue or class_wise off."""
        return self.memory.queue(name)

    def replace_queue(self, name: str, queue: ClassFeatureQueue) -> None:
        """Put another queue in the place of a tap's, such as one that traces rows."""
        self.queues[name] = queue

    def feature(
        self, name: str, domain: DomainBatch, update_mean: bool = False
    ) -> Tensor:
        """Return a tap's map (B, K, h, w), centered if features are."""
        tap = self.taps[name]
        feature = tap.checked(domain.features[tap.feature], name)
        if name not in self.means:
            return feature
        mean = self.means[name]
        assert isinstance(mean, FeatureMean)  # what __init__ has put there
        if update_mean:
            mean.update(feature, own_pixels(domain, tap, feature))
        return mean.center(feature)

    def _fills(self) -> dict[str, Tensor]:
        queues = {name: self.queue(name) for name in self.queues}
        return {name: queue.counts / queue.capacity for name, queue in queues.items()}

    def _predictions(self, domain: DomainBatch) -> Tensor:
        logits = domain.logits.detach()
        return confident_predictions(logits, self.min_confidence, domain.ignore_index)

    def _repulsion(self, name: str, feature: Tensor, labels: Tensor) -> list[Tensor]:
        """Return the repulsion of each target image, unweighted."""
        queue, counts = self.queue(name).as_tensors()
        means, margin = class_means(queue, counts), self.repulsion_margin
        return [
            class_repulsion_loss(rows, label.flatten(), means, counts > 0, margin)
            for rows, label in zip(map_rows(feature), labels, strict=True)
        ]
