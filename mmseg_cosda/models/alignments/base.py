"""The contract of an alignment: what it sees of a domain, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor


@dataclass(frozen=True)
class DomainBatch:
    """One domain's images of a step, as an alignment sees them: tensors alone.

    Args:
        features: Feature maps f by tap path, each (B, K, h, w), with graph.
        logits: The decode head's output p before upsampling, (B, C, h', w').
        labels: Ground truth or pseudo-labels, (B, H, W) int64; None without.
        image_size: (H, W) of the network's input, pixels.
        align_corners: How the decode head's logits are upsampled.
        ignore_index: The label that no class has.
        step_seed: A function of (run seed, iteration), the same on all ranks;
            whatever is random in a step is derived from it and from the image, so
            that resuming is exact.
        first_image: Index of the first image among those of all processes.
        pixels: Which pixels are an image's own, (B, H, W) bool, where a batch of
            different sizes was padded or pixels of another image were pasted; the
            others are nobody's and count nowhere. None, the default, if all are.
        reference: Feature maps of the frozen reference on the same images, by tap
            path, without graph, where an alignment asks for any; source images alone.
    """

    features: Mapping[str, Tensor]
    logits: Tensor
    labels: Tensor | None
    image_size: tuple[int, int]
    align_corners: bool
    ignore_index: int
    step_seed: int = 0
    first_image: int = 0
    pixels: Tensor | None = None
    reference: Mapping[str, Tensor] = field(default_factory=dict)


class BaseAlignment(BaseModule):
    """A registered module that aligns the target domain with the source domain.

    A segmentor holds its alignments by name (``model.alignments``). In each iteration
    it shows each of them the source images, then the target images. Subclasses
    override what they need; the defaults do nothing.

    Keys of the returned dicts that contain "loss" are summed by the host and trained
    on; other keys are logged, so a diagnostic never contains the word.

    Args:
        init_cfg: The host's initialization config.

    Examples:
        >>> class Brightness(BaseAlignment):
        ...     feature_paths = ("backbone[-1]",)
        ...
        ...     def on_target(self, domain):
        ...         return {"mean": domain.features["backbone[-1]"].detach().mean()}
        >>> Brightness().on_source(None)
        {}
    """

    feature_paths: tuple[str, ...] = ()
    """Tap paths of the feature maps that the segmentor records for it."""

    reference_paths: tuple[str, ...] = ()
    """Tap paths of the frozen reference's maps that it compares the source's with."""

    def __init__(self, init_cfg: Mapping[str, Any] | None = None) -> None:
        super().__init__(dict(init_cfg) if init_cfg else None)

    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        """See the source images of a step, before its target images.

        Args:
            domain: The source images, with ground truth.

        Returns:
            Losses and diagnostics by name.
        """
        return {}

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        """See the target images of a step.

        Args:
            domain: The target images, with or without pseudo-labels.

        Returns:
            Losses and diagnostics by name.
        """
        return {}

    def report(self) -> dict[str, Tensor]:
        """Return figures of each class, (C,) each, for the log file.

        Returns:
            Figures by name; written by ``AlignmentReportHook``.
        """
        return {}

    def diagnose(self, domain: DomainBatch, truth: Tensor) -> dict[str, Any]:
        """Judge labelled target images without training on them.

        Args:
            domain: The target images, with or without pseudo-labels.
            truth: Their ground truth, (B, H, W).

        Returns:
            What adds up over images, by feature map; see ``ClassWiseCosineLoss``.
        """
        return {}
