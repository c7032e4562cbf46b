"""The host's segmentor, trained on a labelled and an unlabelled domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_rank
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.engine.phases import Phase, current_step_seed, train_on_phases
from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.segmentors.compiled_forward import (
    compile_backend,
    compile_forward,
)
from mmseg_cosda.models.segmentors.domain_forward import see_domain
from mmseg_cosda.models.segmentors.head_losses import (
    Losses,
    per_image_losses,
    prefix,
    stack_labels,
)
from mmseg_cosda.models.segmentors.parts import build_alignments, check_heads
from mmseg_cosda.models.segmentors.target_diagnosis import Diagnosis, diagnose
from mmseg_cosda.models.taps import record_taps
from mmseg_cosda.randomness import derive_seed


@MODELS.register_module()
class UDAEncoderDecoder(EncoderDecoder):
    r"""An ``EncoderDecoder`` with a source and a target phase in each iteration.

    .. math::
        L = L^S_{seg}(x^s) + L^T_{seg}(x^t) + \sum_a L_a(x^s, x^t)
        \qquad \text{(eq. 3, 11, 12)}

    L^S_seg is the host's loss against ground truth (eq. 1), L^T_seg the same against
    pseudo-labels where the target has any (eq. 2), L_a the terms of the alignments.

    .. code:: text

        train_step: phases() -> for each: losses -> backward; then one optimizer step
        source phase: extract_feat -> decode_head -> loss_by_feat, on_source of each
        target phase: the same with pseudo-labels, on_target of each
        loss: the sum of all phases in one call
        predict: the host's, untouched

    Only one domain's graph is alive at a time. Without alignments and pseudo-labels
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
        target_bn: Whether the target is forwarded, without any loss, when nothing
            else asks for it: the control for nets with live BatchNorm statistics.
        channels_last: Whether images, maps and convolutions have their channels
            innermost in memory: faster with AMP on recent GPUs, and the cosine loss
            then reads its rows in place. Changes no value but by rounding.
        compile_backbone: Whether ``torch.compile`` compiles the backbone for
            training; or the name of a backend other than torch's default. Taps may
            then name the backbone's outputs, not its inner modules.

    Raises:
        ValueError: If an alignment is not one, a tap names no module, a head
            computes its loss otherwise than by ``forward`` and ``loss_by_feat``, or
            an option is not one of its choices.

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
        target_bn: bool = False,
        channels_last: bool = False,
        compile_backbone: bool | str = False,
    ) -> None:
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
        check_heads(self._heads)
        self.alignments = build_alignments(self, alignments or {})
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)
        backend = compile_backend(compile_backbone, self._tap_paths())
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

    def _aligners(self) -> list[tuple[str, Any]]:
        """The alignments by name, in the order of the config."""
        return list(self.alignments.items())

    def _tap_paths(self) -> list[str]:
        return [path for _, each in self._aligners() for path in each.feature_paths]

    def phases(
        self, inputs: dict[str, Tensor], data_samples: dict[str, list[Any]]
    ) -> Iterator[Phase]:
        """Yield the phases of one iteration, source first.

        Args:
            inputs: By domain, (B, 3, H, W) float32.
            data_samples: By domain, the host's ``SegDataSample`` of each image.

        Yields:
            The phases; each must be run before the next is asked for.
        """
        if not isinstance(inputs, dict) or set(inputs) != {"source", "target"}:
            raise ValueError(
                "UDAEncoderDecoder trains on batches by domain; use DomainPairDataset "
                "as train_dataloader.dataset and UDADataPreprocessor as "
                "model.data_preprocessor"
            )
        for name in ("source", "target"):
            run = getattr(self, f"_{name}_losses")
            if name == "source" or self._needs_target(data_samples["target"]):
                yield Phase(name, partial(run, inputs[name], data_samples[name]))

    def _needs_target(self, samples: list[Any]) -> bool:
        labelled = any("gt_sem_seg" in sample for sample in samples)
        return labelled or bool(self.alignments) or self.target_bn

    def _source_losses(self, inputs: Tensor, samples: list[Any]) -> Losses:
        domain, losses = self._run_domain("source", inputs, samples)
        if domain.labels is None:
            raise ValueError(
                "the source domain has no labels; add a label loading transform to "
                "the pipeline of train_dataloader.dataset.source"
            )
        for name, alignment in self._aligners():
            losses.update(prefix(name, alignment.on_source(domain)))
        return losses

    def _target_losses(self, inputs: Tensor, samples: list[Any]) -> Losses:
        labelled = any("gt_sem_seg" in sample for sample in samples)
        if not labelled and not self.alignments:
            with torch.no_grad():  # updates BatchNorm's running statistics alone
                self._run_domain("target", inputs, samples)
            return {}
        domain, losses = self._run_domain("target", inputs, samples)
        if domain.labels is not None:
            coverage = (domain.labels != domain.ignore_index).float().mean()
            losses["target.coverage"] = coverage
        for name, alignment in self._aligners():
            losses.update(prefix(name, alignment.on_target(domain)))
        return losses

    def extract_feat(self, inputs: Tensor) -> Any:
        """Return the maps of images (B, 3, H, W), the host's ``extract_feat``."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def _run_domain(
        self, name: str, inputs: Tensor, samples: list[Any]
    ) -> tuple[DomainBatch, Losses]:
        """Forward one domain; return what alignments see and the CE losses."""
        paths = self._tap_paths()
        labels = stack_labels(samples, name)
        heads = self._heads if labels is not None else {"decode": self.decode_head}
        with record_taps(self, paths) as features:
            x = self.extract_feat(inputs)
            outputs = {key: head(x) for key, head in heads.items()}
        missing = sorted(set(paths) - set(features))
        if missing:
            raise ValueError(
                f"tap features {missing}: these modules do not run in training; "
                "name modules on the way from the image to the decode head"
            )
        losses: Losses = {}
        if labels is not None:
            for key, logits in outputs.items():
                head_losses = per_image_losses(heads[key], logits, samples)
                losses.update(prefix(f"{name}.{key}", head_losses))
        domain = DomainBatch(
            features=features,
            logits=outputs["decode"],
            labels=labels,
            image_size=(inputs.shape[-2], inputs.shape[-1]),
            align_corners=self.align_corners,
            ignore_index=self.decode_head.ignore_index,
            step_seed=current_step_seed() or 0,
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
        losses: Losses = {}
        for phase in self.phases(inputs, data_samples):
            losses.update(phase.losses())
        return losses

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

    def diagnose(
        self, data: dict[str, Any], feature: str, pseudo_labels: Tensor | None = None
    ) -> Diagnosis:
        """Diagnose features and matches on a labelled batch, see :func:`diagnose`."""
        return diagnose(self, data, feature, pseudo_labels)

    def train_step(self, data: dict[str, Any], optim_wrapper: Any) -> Losses:
        """Train on one batch of both domains.

        Args:
            data: A collated batch of ``DomainPairDataset``.
            optim_wrapper: The host's optimizer wrapper.

        Returns:
            Losses and diagnostics to log.
        """
        return self.train_step_in(self, data, optim_wrapper)

    def train_step_in(
        self,
        model: nn.Module,
        data: dict[str, Any],
        optim_wrapper: Any,
        before_step: Any = None,
    ) -> Losses:
        """Train on one batch inside a (distributed) wrapper.

        Args:
            model: The wrapper, or this module.
            data: A collated batch of ``DomainPairDataset``.
            optim_wrapper: The host's optimizer wrapper.
            before_step: Synchronises the gradients, see :func:`train_on_phases`.

        Returns:
            Losses and diagnostics to log.
        """
        seed = current_step_seed()
        if seed is not None:
            # Dropout: derived, so that resuming is exact.
            torch.manual_seed(derive_seed(seed, get_rank()))
        batch = self.data_preprocessor(data, True)
        return train_on_phases(
            model, self.parse_losses, self.phases(**batch), optim_wrapper, before_step
        )
