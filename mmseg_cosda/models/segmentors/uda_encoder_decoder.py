"""The host's segmentor, trained on a labelled and an unlabelled domain."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmengine.dist import get_rank
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.data_preprocessor import UDADataPreprocessor
from mmseg_cosda.models.phases import Losses, Phase, Step, make_step, train_on_phases
from mmseg_cosda.models.phases.base import with_prefix
from mmseg_cosda.models.segmentors.class_weights import has_class_weights
from mmseg_cosda.models.segmentors.compiled_forward import (
    compile_backend,
    compile_forward,
)
from mmseg_cosda.models.segmentors.domain_forward import (
    alignment_paths,
    make_domain_batch,
    reference_paths,
    see_domain,
    unpadded_pixels,
)
from mmseg_cosda.models.segmentors.head_losses import per_image_losses, stack_labels
from mmseg_cosda.models.segmentors.parts import (
    build_alignments,
    build_phases,
    build_reference,
    build_teacher,
    check_cascade,
    check_heads,
    check_phases,
    named_heads,
)
from mmseg_cosda.models.segmentors.run_checks import RunChecks
from mmseg_cosda.models.segmentors.target_diagnosis import Diagnosis, diagnose
from mmseg_cosda.models.taps import record_taps
from mmseg_cosda.models.teacher import TeacherLabels, with_given_labels
from mmseg_cosda.preflight.run import begin_training
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

        train_step: the teacher takes in the weights, if there is one;
            for each of phases: losses() -> backward; then one optimizer step
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
        teacher: Config of an ``EMATeacher``, for phases that ask for its labels. It
            is there in training alone; the student is what is evaluated.
        reference: Config of a ``FrozenReference``, for alignments that ask for it.
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
        nonfinite: What follows on losses or gradients that hold NaN or infinity:
            "stop" ends the training with an error that names terms and images, before
            anything of it is saved. "skip" leaves the iteration out and counts it in
            the log; on a GPU that reads the device once per iteration.
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
        teacher: dict[str, Any] | None = None,
        reference: dict[str, Any] | None = None,
        target_bn: bool = False,
        channels_last: bool = False,
        compile_backbone: bool | str = False,
        preflight: bool = True,
        nonfinite: str = "stop",
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
        self._checks = RunChecks(preflight, nonfinite)
        check_heads(named_heads(self))
        if isinstance(self.data_preprocessor, UDADataPreprocessor):
            self.data_preprocessor.num_classes = self.decode_head.num_classes
            self.data_preprocessor.ignore_index = self.decode_head.ignore_index
        self.alignments = build_alignments(self, alignments or {})
        self.phases = build_phases(phases or {})
        watch_loading(self)
        self.teacher = build_teacher(teacher)
        self.reference = build_reference(reference, reference_paths(self))
        self._backbone_config = copy.deepcopy(dict(backbone))
        check_phases(self.phases, self.alignments, self.teacher)
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)
        backend = compile_backend(compile_backbone, alignment_paths(self))
        if backend is not None:
            compile_forward(self.backbone, backend)

    def extract_feat(self, inputs: Tensor) -> Any:
        """Return the maps of images (B, 3, H, W), the host's ``extract_feat``."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def init_weights(self) -> None:
        """Initialize the weights, then make what only training has.

        The Runner calls it when a training begins or resumes, behind the optimizer's
        construction and before a checkpoint is loaded: so neither the teacher nor the
        reference is among what is optimized, and a test has neither. There a
        ``RunKeeper`` takes the work folder and finds the checkpoint to go on from.
        """
        super().init_weights()
        if self.teacher is not None:
            self.teacher.build(self)
        self._build_reference()
        begin_training(lambda: self._checks.before_any_step(self))

    def _build_reference(self) -> None:
        if self.reference is not None:
            device = next(self.parameters()).device
            paths = reference_paths(self)
            self.reference.build(self._backbone_config, paths, device)

    def reference_maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the frozen reference's maps that alignments ask for, by tap path."""
        if self.reference is None:
            return {}
        self._build_reference()
        return dict(self.reference.maps(images, reference_paths(self)))

    def run(
        self,
        name: str,
        images: Tensor,
        samples: list[Any],
        step: Step,
        *,
        labels: Tensor | None = None,
        weight: Tensor | None = None,
        divisor: str | None = None,
        pixels: Tensor | None = None,
        reference: Mapping[str, Tensor] | None = None,
        cross_entropy: bool = True,
        truth: Tensor | None = None,
    ) -> tuple[DomainBatch, Losses]:
        """Forward images; what a phase does first.

        Args:
            name: Of the domain or phase; it leads the log keys.
            images: (B, 3, H, W) float32.
            samples: The ``SegDataSample`` of each, with or without labels.
            step: The iteration's batch, for what is derived from it.
            labels: In place of those of the samples, (B, H, W) int64.
            weight: What each pixel's cross-entropy counts, (B, H, W); None for 1.
            divisor: Of the sum over pixels, "valid" or "all"; None, the default, for
                what the heads' losses say.
            pixels: Which pixels an alignment may take for the domain's, (B, H, W)
                bool; None, the default, for all but those that were padded.
            reference: Maps of the frozen reference, for alignments.
            cross_entropy: Whether labels are trained on.
            truth: Which pixels ``class_weight`` of a head's loss counts for,
                (B, H, W) bool or (B, 1, 1); None, the default, for all.

        Returns:
            What alignments see, and the heads' losses where there are labels.

        Raises:
            ValueError: If a tapped module didn't run.
        """
        paths = alignment_paths(self)
        labelled = None
        if labels is None:
            # Some target images may have ground truth; a source image must.
            missing = self.decode_head.ignore_index if name == "target" else None
            labels = stack_labels(samples, name, missing)
            labelled = ["gt_sem_seg" in sample for sample in samples]
        trained = labels if cross_entropy else None
        heads = {"decode": self.decode_head} if trained is None else named_heads(self)
        with record_taps(self, paths) as features:
            x = self.extract_feat(images)
            outputs = {key: head(x) for key, head in heads.items()}
        losses: Losses = {}
        if trained is not None:
            for key, logits in outputs.items():
                known = truth if has_class_weights(heads[key]) else None
                head_losses = per_image_losses(
                    heads[key], logits, trained, weight, divisor, labelled, known
                )
                losses.update(with_prefix(f"{name}.{key}", head_losses))
        own = unpadded_pixels(samples, images)
        if pixels is not None:
            own = pixels if own is None else own & pixels
        domain = make_domain_batch(
            self,
            images,
            features,
            outputs["decode"],
            labels,
            paths,
            step.seed or 0,
            step.first_image,
            own,
            reference,
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
        step = self._step(inputs, data_samples)
        losses: Losses = {}
        for phase in self._due_phases(step):
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
        self._checks.before_training_step(self)
        batch = self.data_preprocessor(data, True)
        step = self._step(batch["inputs"], batch["data_samples"])
        if step.seed is not None:
            # Dropout: derived, so that resuming is exact.
            torch.manual_seed(derive_seed(step.seed, get_rank()))
        if self.teacher is not None:
            self._update_teacher(step.iteration or 0, optim_wrapper)
        return train_on_phases(
            self,
            self._due_phases(step),
            step,
            optim_wrapper,
            self._checks.guard,
            before_step,
        )

    def _step(self, images: Any, samples: Any) -> Step:
        return make_step(
            images, samples, None if self.teacher is None else self._ask_teacher
        )

    def _ask_teacher(self, images: Tensor, samples: list[Any]) -> TeacherLabels:
        assert self.teacher is not None
        labels = self.teacher.label(self, images, unpadded_pixels(samples, images))
        return with_given_labels(labels, samples, self.decode_head.ignore_index)

    def _update_teacher(self, iteration: int, optim_wrapper: Any) -> None:
        """Let the teacher take in the weights, if the last iteration changed them."""
        assert self.teacher is not None
        accumulated = optim_wrapper._accumulative_counts
        if iteration % accumulated == 0:
            self.teacher.update(self, iteration // accumulated)

    def _due_phases(self, step: Step) -> list[Phase]:
        """Return the phases of an iteration; all of them outside a training."""
        return [
            phase
            for phase in self.phases.values()
            if step.iteration is None or phase.start_iter <= step.iteration
        ]

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
        self._checks.before_evaluation_step(self)
        return list(super().val_step(data))

    def test_step(self, data: Any) -> list[Any]:
        """Predict a batch of a test, as the host does."""
        self._checks.before_evaluation_step(self)
        return list(super().test_step(data))

    def diagnose(
        self, data: dict[str, Any], feature: str, pseudo_labels: Tensor | None = None
    ) -> Diagnosis:
        """Diagnose features and matches on a labelled batch, see :func:`diagnose`."""
        return diagnose(self, data, feature, pseudo_labels)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load what is this module's own; pass over a teacher that isn't needed."""
        self._checks.weights_loaded()
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )
        passed = (f"{prefix}teacher.", f"{prefix}reference.")
        unexpected_keys[:] = [k for k in unexpected_keys if not k.startswith(passed)]
