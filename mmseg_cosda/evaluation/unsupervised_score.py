"""How good a network is on images without labels, from its own predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor


def information_maximization(mean: Tensor, mean_entropy: float) -> float:
    r"""Return the mutual information of pixel and prediction, as a share of its bound.

    .. math:: \mathrm{IM} = \frac{H(\bar p) - \frac1N \sum_n H(p_n)}{\ln C},
        \qquad \bar p = \frac1N \sum_n p_n

    with the probabilities p_n of N pixels and the entropy H in nats. High where each
    pixel is predicted with confidence and the classes are used diversely; 0 for a
    network that predicts the same everywhere, however confident.

    Args:
        mean: The mean probabilities, (C,).
        mean_entropy: The mean entropy in nats.

    Returns:
        Between 0 and 1.

    Source:
        Krause, Perona and Gomes, "Discriminative clustering by regularized
        information maximization", NeurIPS 2010.

    Examples:
        >>> information_maximization(torch.tensor([0.25] * 4), mean_entropy=0.0)
        1.0
    """
    mean = mean.double()
    diversity = -torch.special.xlogy(mean, mean).sum()
    # In this order NaN stays NaN.
    return max((float(diversity) - mean_entropy) / math.log(len(mean)), 0.0)


def agreement_miou(matrix: Tensor) -> float:
    r"""Return the mIoU of two views' predictions with each other.

    .. math:: \frac1C \sum_c \frac{A_{cc}}{\sum_k A_{ck} + \sum_k A_{kc} - A_{cc}},
        \qquad A_{kl} = |\{n : y_n = k, y'_n = l\}|

    with the classes y_n and y'_n that are predicted for pixel n of an image and of its
    mirrored, smaller view. A class that neither predicts counts as 0, so a network that
    forgets classes loses, although it agrees with itself.

    Args:
        matrix: A, (C, C).

    Returns:
        The mean over all C classes, between 0 and 1.

    Examples:
        >>> agreement_miou(torch.tensor([[6, 2], [0, 0]]))
        0.375
    """
    hit = matrix.diagonal().double()
    union = matrix.sum(dim=0) + matrix.sum(dim=1) - hit
    return float((hit / union.clamp_min(1)).mean())


@dataclass(frozen=True)
class ImageSums:
    """Sums over the pixels of an image; those of several images add up.

    Args:
        pixels: Their number N.
        probabilities: Sum of p_n, (C,) float64.
        entropy: Sum of H(p_n) in nats.
        agreement: The matrix A of :func:`agreement_miou`, (C, C) int64, or None where
            there is no other view.
    """

    pixels: int
    probabilities: Tensor
    entropy: float
    agreement: Tensor | None

    def __add__(self, other: ImageSums) -> ImageSums:
        both = self.agreement is not None and other.agreement is not None
        return ImageSums(
            self.pixels + other.pixels,
            self.probabilities + other.probabilities,
            self.entropy + other.entropy,
            self.agreement + other.agreement if both else None,  # type: ignore[operator]
        )


def image_sums(
    logits: Tensor, predicted: Tensor | None = None, view: Tensor | None = None
) -> ImageSums:
    """Return the sums over an image.

    Args:
        logits: (N, C) outputs before the softmax at some pixels; taken to float64.
        predicted: Classes at all M pixels, (M,) int64; or None without a view.
        view: Classes that are predicted at the same pixels for the other view, or None.

    Returns:
        The sums, on the CPU.
    """
    log_p = logits.double().log_softmax(dim=1)
    p = log_p.exp()
    # A probability of zero contributes nothing; 0 * -inf would be NaN.
    entropy = -(p * log_p.clamp_min(torch.finfo(log_p.dtype).min)).sum()
    agreement = None
    if predicted is not None and view is not None:
        classes = logits.shape[1]
        pairs = torch.bincount(predicted * classes + view, minlength=classes**2)
        agreement = pairs.view(classes, classes).cpu()
    return ImageSums(len(p), p.sum(dim=0).cpu(), float(entropy), agreement)


@METRICS.register_module()
class UnsupervisedScoreMetric(BaseMetric):
    """Scores that rank checkpoints without any label.

    Returned in percent: ``agreement_mIoU`` (:func:`agreement_miou`) where the loop
    predicts two views, ``val_cfg=dict(type="TwoViewValLoop")``, and ``im``
    (:func:`information_maximization`). No ground truth is read, so the validation set
    needs none. How well they rank, and where they fail, is in
    ``docs/choosing_a_checkpoint.md``.

    Args:
        pixels: About how many pixels of an image ``im`` is taken from, on a regular
            grid; None for all. Default 16,384: outputs are upsampled at least fourfold,
            so that neighbors repeat each other.
        collect_device: ``"cpu"`` or ``"gpu"``, where ranks gather their results.
        prefix: Prefix of the returned names.
        collect_dir: Folder through which ranks on the CPU exchange results.
        output_dir: Accepted because test scripts hand it to every metric (``--out``);
            predictions are written by the IoU metric alone.
        format_only: Accepted as ``output_dir`` is; without labels there is nothing to
            leave out.
        keep_results: Accepted as ``output_dir`` is.

    Raises:
        ValueError: For ``pixels`` below 1; at use, for a sample without logits, for a
            one-channel output and for an empty validation set.

    Examples:
        >>> from mmseg.registry import METRICS
        >>> metric = METRICS.build(dict(type="UnsupervisedScoreMetric", prefix="val"))
        >>> sample = dict(seg_logits=dict(data=torch.eye(4)[:, :, None] * 99))
        >>> metric.process({}, [sample])
        >>> metric.evaluate(size=1)
        {'val/im': 100.0}
    """

    def __init__(
        self,
        pixels: int | None = 16384,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
        output_dir: str | None = None,
        format_only: bool = False,
        keep_results: bool = False,
    ) -> None:
        super().__init__(
            collect_device=collect_device, prefix=prefix, collect_dir=collect_dir
        )
        if pixels is not None and pixels < 1:
            raise ValueError(
                f"pixels={pixels!r} of UnsupervisedScoreMetric: must be at least 1, or "
                "None for all pixels"
            )
        self.pixels = pixels

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Add the sums of images.

        Args:
            data_batch: Not used.
            data_samples: Outputs of the model: ``seg_logits`` (C, H, W) and, where
                there is another view, ``pred_sem_seg`` and ``view_sem_seg`` (1, H, W).

        Raises:
            ValueError: See the class.
        """
        for sample in data_samples:
            if "seg_logits" not in sample:
                raise ValueError(
                    "UnsupervisedScoreMetric: a prediction holds no seg_logits (with "
                    "test-time augmentation the host keeps none); leave the metric "
                    "out of this evaluator"
                )
            logits = sample["seg_logits"]["data"]
            if len(logits) < 2:
                raise ValueError(
                    "UnsupervisedScoreMetric: the decode head has one output channel; "
                    "scores need probabilities of at least two classes "
                    "(decode_head.out_channels=2)"
                )
            predicted = view = None
            if "view_sem_seg" in sample:
                predicted = sample["pred_sem_seg"]["data"].flatten()
                view = sample["view_sem_seg"]["data"].flatten()
            self.results.append(image_sums(grid(logits, self.pixels), predicted, view))

    def compute_metrics(self, results: list[ImageSums]) -> dict[str, float]:
        """Return the scores over all images.

        Args:
            results: The sums of each image.

        Returns:
            Percentages, rounded to four digits.

        Raises:
            ValueError: If there are no images.
        """
        if not results:
            raise ValueError(
                "UnsupervisedScoreMetric: the validation set has no images; check "
                "val_dataloader.dataset"
            )
        sums = results[0]
        for one in results[1:]:
            sums = sums + one
        scores = {}
        if sums.agreement is not None:
            scores["agreement_mIoU"] = agreement_miou(sums.agreement)
        scores["im"] = information_maximization(
            sums.probabilities / sums.pixels, sums.entropy / sums.pixels
        )
        return {name: round(100 * value, 4) for name, value in scores.items()}


def grid(logits: Tensor, pixels: int | None) -> Tensor:
    """Return the outputs at a regular grid of pixels.

    Args:
        logits: (C, H, W).
        pixels: About how many to take, None for all.

    Returns:
        (N, C), rows first; the grid's margins are alike on all sides.

    Examples:
        >>> grid(torch.arange(16.0).view(1, 4, 4), 4).flatten().tolist()
        [5.0, 7.0, 13.0, 15.0]
    """
    height, width = logits.shape[1:]
    step = 1 if pixels is None else max(1, round(math.sqrt(height * width / pixels)))
    start = [min(step // 2, size - 1) for size in (height, width)]
    return logits[:, start[0] :: step, start[1] :: step].flatten(1).T
