"""The host's segmentor, trained on a labelled and an unlabelled domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.dist import get_rank
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.data_preprocessor import UDADataPreprocessor
from mmseg_cosda.models.phases import Losses, Step, make_step, train_on_phases
from mmseg_cosda.models.phases.base import with_prefix
from mmseg_cosda.models.segmentors.compiled_forward import (
    compile_backend,
    compile_forward,
)
from mmseg_cosda.models.segmentors.domain_forward import (
    alignment_paths,
    make_domain_batch,
    see_domain,
    unpadded_pixels,
)
from mmseg_cosda.models.segmentors.head_losses import per_image_losses, stack_labels
from mmseg_cosda.models.segmentors.parts import (
    build_alignments,
    build_phases,
    check_cascade,
    check_heads,
)
from mmseg_cosda.models.segmentors.target_diagnosis import Diagnosis, diagnose
from mmseg_cosda.models.taps import record_taps
from mmseg_cosda.preflight.run import check_before_run
from mmseg_cosda.preflight.weights import watch_loading
from mmseg_cosda.randomness import derive_seed


@MODELS.register_module()
class UDAEncoderDecoder(EncoderDecoder):
    r"""An ``EncoderDecoder`` that trains in phases, by default source, then target.

    .. math::
        L = L^S_{seg}(x^s) + L^T_{seg}(x^t) + \sum_a L_a(x^s, x^t)
        \qquad \text{(eq. 3, 11, 12)}

    L^S_seg is the host's loss against ground truth (eq. 1), L^T_seg the same against
    pseudo-labels where the target has any (eq. 2), L_a the terms of the alignments.

    .. code:: text

        train_step: for each of phases: losses() -> backward; then one optimizer step
        SourcePhase: run() on the source, on_source of each alignment
        TargetPhase: run() on the target, on_target of each alignment
        run: extract_feat -> decode_head -> loss_by_feat where there are labels
        loss: the sum of all phases in one call
        predict: the host's, untouched

    Only one phase's graph is alive at a time. Without alignments and pseudo-labels
    the target is not forwarded: that is source-only training. Losses are computed
    per image and averaged over the batch, so that N processes with one image equal
    one process with N images.

    Args:
        backbone: Config of the backbone (the feature extractor F, with the neck).
        decode_head: Config of the decode head (the classification head H).
        neck: Config of the neck, by default none.
        auxiliary_head: Config or list of configs, trained as the decode head is.
        train_cfg: The host's.
        test_cfg: The host's.
        data_preprocessor: Config of a ``UDADataPreprocessor``.
        pretrained: The host's.
        init_cfg: The host's.
        alignments: Named alignments, such as ``dict(cosine=dict(type=
            "ClassWiseCosineLoss", ...))``; None removes an inherited one. The names
            lead their checkpoint keys and log keys.
        phases: Named phases of an iteration, in this order behind the default's,
            ``dict(source=dict(type="SourcePhase"), target=dict(type="TargetPhase"))``;
            an entry of a default's name changes values of it, None removes it.
        target_bn: Whether the target is forwarded, without any loss, when nothing
            else asks for it: the control for nets with live BatchNorm statistics.
        channels_last: Whether images, maps and convolutions have their channels
            innermost in memory: faster with AMP on recent GPUs, and the cosine loss
            then reads its rows in place. Changes no value but by rounding.
        compile_backbone: Whether ``torch.compile`` compiles the backbone for
            training; or the name of a backend other than torch's default. Taps may
            then name the backbone's outputs, not its inner modules.
        preflight: Whether the first step within a Runner checks that data, model and
            schedule agree (``mmseg_cosda.preflight``) before anything is trained.
        num_stages: Of the host's ``CascadeEncoderDecoder``; only to be refused.

    Raises:
        ValueError: If an alignment or a phase is not one, a tap names no module, a
            head has one output channel or computes its loss otherwise than by
            ``forward`` and ``loss_by_feat``, there are several decode heads, or an
            option is not one of its choices.

    Source: "Maximizing Cosine Similarity Between Spatial Features for Unsupervised
    Domain Adaptation in Semantic Segmentation", section 3.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        decode_head: dict[str, Any],
        neck: dict[str, Any] | None = None,
        auxiliary_head: dict[str, Any] | list[dict[str, Any]] | None = None,
        train_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        pretrained: str | None = None,
        init_cfg: dict[str, Any] | None = None,
        alignments: dict[str, dict[str, Any] | None] | None = None,
        phases: dict[str, dict[str, Any] | None] | None = None,
        target_bn: bool = False,
        channels_last: bool = False,
        compile_backbone: bool | str = False,
        preflight: bool = True,
        num_stages: int | None = None,
    ) -> None:
        check_cascade(decode_head, num_stages)
        super().__init__(
            backbone=backbone,
            decode_head=decode_head,
            neck=neck,
            auxiliary_head=auxiliary_head,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )
        self.target_bn = target_bn
        self._preflight_due = preflight
        check_heads(self._heads)
        if isinstance(self.data_preprocessor, UDADataPreprocessor):
            self.data_preprocessor.num_classes = self.decode_head.num_classes
            self.data_preprocessor.ignore_index = self.decode_head.ignore_index
        self.alignments = build_alignments(self, alignments or {})
        self.phases = build_phases(phases or {})
        watch_loading(self)
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)
        backend = compile_backend(compile_backbone, alignment_paths(self))
        if backend is not None:
            compile_forward(self.backbone, backend)

    @property
    def _heads(self) -> dict[str, Any]:
        """Decode head and auxiliary heads by log prefix."""
        heads = {"decode": self.decode_head}
        if self.with_auxiliary_head:
            auxiliary = self.auxiliary_head
            if isinstance(auxiliary, nn.ModuleList):
                heads.update({f"aux_{i}": head for i, head in enumerate(auxiliary)})
            else:
                heads["aux"] = auxiliary
        return heads

    def extract_feat(self, inputs: Tensor) -> Any:
        """Return the maps of images (B, 3, H, W), the host's ``extract_feat``."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def run(
        self, name: str, images: Tensor, samples: list[Any], step: Step
    ) -> tuple[DomainBatch, Losses]:
        """Forward a domain's images; what a phase does first.

        Args:
            name: Of the domain; it leads the log keys.
            images: (B, 3, H, W) float32.
            samples: The ``SegDataSample`` of each, with or without labels.
            step: The iteration's batch, for what is derived from it.

        Returns:
            What alignments see, and the heads' losses where there are labels.

        Raises:
            ValueError: If a tapped module didn't run.
        """
        paths = alignment_paths(self)
        ignored = self.decode_head.ignore_index
        # Some target images may have ground truth; a source image must.
        missing = ignored if name == "target" else None
        labels = stack_labels(samples, name, missing)
        heads = self._heads if labels is not None else {"decode": self.decode_head}
        with record_taps(self, paths) as features:
            x = self.extract_feat(images)
            outputs = {key: head(x) for key, head in heads.items()}
        losses: Losses = {}
        if labels is not None:
            for key, logits in outputs.items():
                head_losses = per_image_losses(heads[key], logits, samples)
                losses.update(with_prefix(f"{name}.{key}", head_losses))
        domain = make_domain_batch(
            self,
            images,
            features,
            outputs["decode"],
            labels,
            paths,
            step.seed or 0,
            step.first_image,
            unpadded_pixels(samples, images),
        )
        return domain, losses

    def loss(
        self, inputs: dict[str, Tensor], data_samples: dict[str, list[Any]]
    ) -> Losses:
        """Return the losses of all phases, whose sum is eq. 11 or 12.

        Args:
            inputs: By domain, (B, 3, H, W) float32.
            data_samples: By domain, the host's ``SegDataSample`` of each image.

        Returns:
            Losses and diagnostics by name.
        """
        step = make_step(inputs, data_samples)
        losses: Losses = {}
        for phase in self.phases.values():
            losses.update(phase.losses(self, step))
        return losses

    def train_step(
        self,
        data: dict[str, Any],
        optim_wrapper: Any,
        before_step: Callable[[], None] | None = None,
    ) -> Losses:
        """Train on one batch of both domains, phase by phase.

        Args:
            data: A collated batch of ``DomainPairDataset``.
            optim_wrapper: The host's optimizer wrapper.
            before_step: Called when the gradients are complete, just before the
                optimizer steps, to average them over processes.

        Returns:
            Losses and diagnostics to log.
        """
        self._check_once()
        batch = self.data_preprocessor(data, True)
        step = make_step(batch["inputs"], batch["data_samples"])
        if step.seed is not None:
            # Dropout: derived, so that resuming is exact.
            torch.manual_seed(derive_seed(step.seed, get_rank()))
        return train_on_phases(
            self, self.phases.values(), step, optim_wrapper, before_step
        )

    def see(
        self,
        inputs: Tensor,
        labels: Tensor | None = None,
        *,
        paths: Iterable[str] | None = None,
        step_seed: int = 0,
    ) -> DomainBatch:
        """Forward images as alignments see them, without a loss: :func:`see_domain`."""
        return see_domain(self, inputs, labels, paths, step_seed)

    def val_step(self, data: Any) -> list[Any]:
        """Predict a batch of validation, as the host does."""
        self._check_once()
        return list(super().val_step(data))

    def test_step(self, data: Any) -> list[Any]:
        """Predict a batch of a test, as the host does."""
        self._check_once()
        return list(super().test_step(data))

    def _check_once(self) -> None:
        """Run the preflight, if this is the first step within a Runner."""
        if self._preflight_due:
            self._preflight_due = False
            check_before_run(self)

    def diagnose(
        self, data: dict[str, Any], feature: str, pseudo_labels: Tensor | None = None
    ) -> Diagnosis:
        """Diagnose features and matches on a labelled batch, see :func:`diagnose`."""
        return diagnose(self, data, feature, pseudo_labels)
