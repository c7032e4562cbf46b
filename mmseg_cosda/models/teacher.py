"""The teacher: a running mean of the student's weights, which labels the target."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

from mmseg_cosda.models.running_median import RunningMedian
from mmseg_cosda.option_checks import (
    require_choices,
    require_integers,
    require_numbers,
)

PARTS = ("backbone", "neck", "decode_head")
"""What a teacher copies of a segmentor: all that predicts."""

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class TeacherLabels(NamedTuple):
    """What the teacher says of a step's target images, all without graph.

    Args:
        labels: Its classes, (B, H, W) int64 in [0, C), never thresholded.
        confidence: Its largest softmax probability, (B, H, W) float32.
        weight: How much a pixel's cross-entropy counts, (B, H, W) float32.
        confident: Where its class is one to rely on, (B, H, W) bool.
    """

    labels: Tensor
    confidence: Tensor
    weight: Tensor
    confident: Tensor


@MODELS.register_module()
class EMATeacher(nn.Module):
    r"""A mean teacher: the exponential moving average of the student's weights.

    .. math::
        \theta_T \leftarrow a_i \theta_T + (1 - a_i) \theta, \qquad
        a_i = \min\left(1 - \tfrac{1}{i + 1}, \alpha\right)

    at the start of iteration i, with the weights after step i - 1. So it is a copy of
    the student at i = 0, the plain mean of all weights for the first 1 / (1 - alpha)
    iterations, and its state is its weights alone: resuming is exact. It labels the
    target images, its weights w of their pixels, by default one number of the batch:

    .. math::
        q = \frac{|\{j: p_j \ge \tau\}|}{|\{j\}|}, \qquad w_j = q

    ``model.teacher`` of a ``UDAEncoderDecoder``. It is built when a training begins or
    resumes (``init_weights``), never for test and inference; it holds copies of
    backbone, neck and decode head (``teacher.backbone.*`` and so on), without
    gradients. Norm layers run in the student's mode, all else (dropout, drop path) in
    eval mode, as published.

    Args:
        decay: alpha in [0, 1); 0.999 of DAFormer and MIC, DACS has 0.99. A run much
            shorter than 1 / (1 - alpha) iterations has a mean of its beginnings for a
            teacher: shorten it with the schedule.
        threshold: tau in [0, 1], the softmax probability from which a pixel is
            confident; 0.968 of all these methods.
        ignore_top: Rows of the network's input at the top of weight 0; DAFormer's 15
            (of 512: right only where a crop is as high as the image). 0 by default.
        ignore_bottom: The same at the bottom, DAFormer's 120: the ego-vehicle.
        weighting: "batch" gives every pixel q, confident or not, as published;
            "pixel" gives 1 to a confident pixel and 0 to any other; "class_median"
            too, with a threshold of each class: the running median of its confidence,
            at most ``cap`` (eq. 13 of the paper, online). A fixed threshold erodes
            rare classes, which are seldom confident.
        quantile: Of "class_median", in (0, 1); the paper's 0.5.
        cap: Of "class_median", in [0, 1]; the paper's 0.9.

    Raises:
        ValueError: If an option is out of range.

    Source: DACS (arXiv 2007.08702), DAFormer (2111.14887); "class_median" is eq. 13
    of the paper with the teacher in place of a first stage.
    """

    def __init__(
        self,
        decay: float = 0.999,
        threshold: float = 0.968,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        weighting: str = "batch",
        quantile: float = 0.5,
        cap: float = 0.9,
    ) -> None:
        super().__init__()
        owner = "model.teacher"
        require_numbers(owner, 0, 1, decay=decay, threshold=threshold, cap=cap)
        require_numbers(owner, 0, 1, quantile=quantile)
        require_integers(owner, 0, ignore_top=ignore_top, ignore_bottom=ignore_bottom)
        require_choices(owner, "batch", "pixel", "class_median", weighting=weighting)
        if decay == 1:
            raise ValueError(
                f"model.teacher: decay={decay} never takes anything from the student; "
                "choose a value below 1, such as 0.999"
            )
        self.decay = decay
        self.threshold = threshold
        self.ignore_top, self.ignore_bottom = ignore_top, ignore_bottom
        self.weighting = weighting
        self.quantile, self.cap = quantile, cap
        self.median: RunningMedian | None = None
        self.built = False
        self._loaded = False
        register: Any = self.register_load_state_dict_post_hook
        register(_start_as_a_copy)

    def build(self, student: Any) -> None:
        """Copy the student's parts, once.

        Args:
            student: The segmentor, initialized.
        """
        if self.built:
            return
        for name in PARTS:
            part = getattr(student, name, None)
            if part is not None:
                self.add_module(name, copy.deepcopy(part))
        if self.weighting == "class_median":
            classes = student.decode_head.out_channels
            self.median = RunningMedian(classes, self.quantile, self.cap)
        self.requires_grad_(False)
        self.to(next(student.parameters()).device)
        self.align_corners = student.align_corners
        self.built = True

    @torch.no_grad()
    def update(self, student: Any, iteration: int) -> None:
        """Take in the student's weights, at the start of an iteration.

        Args:
            student: The segmentor.
            iteration: i, optimizer steps that the student has taken; 0 copies all of
                it, buffers too, which are never averaged.
        """
        self.build(student)
        if iteration == 0 or not self._loaded:
            if iteration:
                text = (
                    f"model.teacher: the checkpoint holds none; at iteration "
                    f"{iteration} it starts as a copy of the student"
                )
                print_log(text, logger="current")
            for mine, theirs in self._pairs(student):
                mine.load_state_dict(theirs.state_dict())
            self._loaded = True
            return
        pairs = list(self._pairs(student))
        means = [p.detach() for mine, _ in pairs for p in mine.parameters()]
        weights = [p.detach() for _, theirs in pairs for p in theirs.parameters()]
        torch._foreach_lerp_(means, weights, max(1 / (iteration + 1), 1 - self.decay))

    @torch.no_grad()
    def label(
        self, student: Any, images: Tensor, pixels: Tensor | None = None
    ) -> TeacherLabels:
        """Label target images.

        Args:
            student: The segmentor, whose mode (train or eval) the norm layers take.
            images: (B, 3, H, W), as the student's.
            pixels: Which pixels are an image's own, (B, H, W) bool; None for all. The
                others are not confident, count in no share and weigh nothing.

        Returns:
            Labels, confidence and weights.
        """
        self.build(student)
        self._take_modes(student)
        features: Any = images
        for mine, _ in self._pairs(student):
            features = mine(features)
        logits: Tensor = features.float()
        size = (images.shape[-2], images.shape[-1])
        if logits.shape[-2:] != size:
            logits = F.interpolate(
                logits, size, mode="bilinear", align_corners=self.align_corners
            )
        confidence, labels = logits.softmax(dim=1).max(dim=1)
        own = torch.ones_like(labels, dtype=torch.bool) if pixels is None else pixels
        if self.median is not None:
            self.median.update(confidence, labels, own)
            confident = confidence >= self.median.thresholds()[labels]
        else:
            confident = confidence >= self.threshold
        confident = confident & own
        inside = own & self._inside(size, own.device)
        if self.weighting == "batch":
            counts = torch.stack([confident.sum(), own.sum()])
            all_reduce(counts)
            weight = inside * (counts[0] / counts[1].clamp(min=1))
        else:
            weight = (confident & inside).float()
        return TeacherLabels(labels, confidence, weight, confident & inside)

    def _inside(self, size: tuple[int, int], device: torch.device) -> Tensor:
        """Return which rows lie within the margins, (H, 1) bool."""
        rows = torch.arange(size[0], device=device)
        below, above = self.ignore_top, size[0] - self.ignore_bottom
        return ((rows >= below) & (rows < above))[:, None]

    def _pairs(self, student: Any) -> Iterator[tuple[nn.Module, nn.Module]]:
        for name in PARTS:
            if name in self._modules:
                yield getattr(self, name), getattr(student, name)

    def _take_modes(self, student: Any) -> None:
        for mine, theirs in self._pairs(student):
            for here, there in zip(mine.modules(), theirs.modules(), strict=True):
                here.training = there.training and isinstance(here, NORMS)

    def train(self, mode: bool = True) -> EMATeacher:
        """Change nothing: :meth:`label` sets the modes."""
        return self

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *rest: Any
    ) -> None:
        if self.built:  # otherwise there is nothing here that a key could be for
            super()._load_from_state_dict(state_dict, prefix, *rest)


def with_given_labels(
    teacher: TeacherLabels, samples: Sequence[Any], ignore_index: int
) -> TeacherLabels:
    """Put labels that the data gives in place of the teacher's.

    A target of which some images have ground truth trains on that: each of its pixels
    with a class is confident and counts 1, the others count as ignored.

    Args:
        teacher: The teacher's labels, (B, H, W).
        samples: The ``SegDataSample`` of each image, with or without ``gt_sem_seg``.
        ignore_index: The label of no class.

    Returns:
        The labels; unchanged where no image has any of its own.
    """
    if not any("gt_sem_seg" in sample for sample in samples):
        return teacher
    parts = [list(values.clone()) for values in teacher]
    for image, sample in enumerate(samples):
        if "gt_sem_seg" in sample:
            label = sample.gt_sem_seg.data[0].to(teacher.labels)
            known = label != ignore_index
            weight = known.to(teacher.weight.dtype)
            for part, value in zip(parts, (label, weight, weight, known), strict=True):
                part[image] = value
    return TeacherLabels(*(torch.stack(part) for part in parts))


def _start_as_a_copy(teacher: EMATeacher, keys: Any) -> None:
    """Note whether a teacher got its weights; it needs none to start as a copy."""
    if not teacher.built:
        return
    own = {f"teacher.{key}" for key in teacher.state_dict()}
    lacking = own.intersection(keys.missing_keys)
    teacher._loaded = not lacking
    keys.missing_keys[:] = [k for k in keys.missing_keys if k not in lacking]
