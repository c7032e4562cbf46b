"""The paper's alignment: class-wise cosine similarity to queued source features."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.cosine_options import CosineOptions
from mmseg_cosda.models.alignments.cosine_taps import build_taps
from mmseg_cosda.models.alignments.domain_rows import map_rows, split_target
from mmseg_cosda.models.alignments.source_memory import SourceMemory
from mmseg_cosda.models.alignments.unsplit_target import (
    cosine_loss_to_all_classes,
    require_positive_thresholds,
)
from mmseg_cosda.models.alignments.warmup import Warmup
from mmseg_cosda.models.functional import (
    MatchStatistics,
    class_means,
    class_repulsion_loss,
    class_wise_cosine_loss_from_blocks,
    class_wise_cosine_loss_with_statistics,
    confident_predictions,
)
from mmseg_cosda.models.matching import MatchSums, count_matches


@MODELS.register_module()
class ClassWiseCosineLoss(SourceMemory):
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
        split_target: Whether target features are split by class too; without, each is
            compared with the queues of all classes, of which the threshold chooses,
            and eq. 10 is one mean over all selected pairs. The paper splits (eq. 7 and
            8), which holds a wrongly classified pixel to its wrong class.
        enqueue_limit: At most so many random features per class and image enter the
            queue, None for all. Taken literally (None), a frequent class's queue is
            replaced each iteration by the last pixels of one image.
        queue_dtype: "float32", or "float16" for half the memory (an error of 4e-6).
        centering: Whether a running mean of the source's features (``FeatureMean``) is
            subtracted from those of both domains before they are compared. Rectified
            features share a large direction, so that any two classes are similar and a
            threshold hardly tells them apart. The paper doesn't centre.
        top_k: At most so many pairs of each target feature count, the most similar of
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
        taps: dict[str, dict[str, Any]],
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
        CosineOptions(
            num_classes=num_classes,
            queue_size=queue_size,
            loss_weight=loss_weight,
            reduction=reduction,
            use_queue=use_queue,
            class_wise=class_wise,
            split_target=split_target,
            enqueue_limit=enqueue_limit,
            queue_dtype=queue_dtype,
            centering=centering,
            top_k=top_k,
            min_confidence=min_confidence,
            warmup_iters=warmup_iters,
            repulsion_weight=repulsion_weight,
            repulsion_margin=repulsion_margin,
        ).check()
        built = build_taps(taps)
        if not split_target:
            require_positive_thresholds(built)
        super().__init__(
            num_classes=num_classes,
            taps=built,
            queue_size=queue_size,
            use_queue=use_queue,
            class_wise=class_wise,
            enqueue_limit=enqueue_limit,
            queue_dtype=getattr(torch, queue_dtype),
            centering=centering,
        )
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.split_target = split_target
        self.top_k = top_k
        self.min_confidence = min_confidence
        self.repulsion_weight = repulsion_weight
        self.repulsion_margin = repulsion_margin
        self.warmup = Warmup(warmup_iters) if warmup_iters else None

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
                self._image_loss(name, i, rows, labels[i])
                for i, rows in enumerate(map_rows(feature))
            ]
            losses += [loss for loss, _ in results]
            if self.repulsion_weight:
                repelled += self._repulsion(name, feature, labels)
            pairs = torch.stack([stats.pairs.sum() for _, stats in results]).sum()
            chosen = torch.stack([stats.selected.sum() for _, stats in results]).sum()
            shares[f"selected_{name}"] = chosen / pairs.clamp(min=1)
        self._current.clear()
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

    def _image_loss(
        self, name: str, image: int, rows: Tensor, labels: Tensor
    ) -> tuple[Tensor, MatchStatistics]:
        """Return eq. 10 of one target image, unweighted, and what was matched."""
        threshold = self.taps[name].threshold
        labels = labels.flatten()
        if not self.split_target:
            return cosine_loss_to_all_classes(
                rows,
                labels,
                *self.queue(name).as_tensors(),
                threshold,
                self.reduction,
                top_k=self.top_k,
            )
        if self.use_queue:
            queue, counts = self.queue(name).as_tensors()
            return class_wise_cosine_loss_with_statistics(
                rows,
                labels,
                queue,
                counts,
                threshold,
                self.reduction,
                queue_is_normalized=True,
                top_k=self.top_k,
            )
        if name not in self._current:
            raise ValueError(
                "the cosine loss without a queue needs on_source before on_target"
            )
        if not self.class_wise:
            labels = torch.zeros_like(labels)
        return class_wise_cosine_loss_from_blocks(
            rows,
            labels,
            self._current[name][image],
            threshold,
            self.reduction,
            top_k=self.top_k,
        )
