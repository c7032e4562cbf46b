"""One host preprocessor per domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseDataPreprocessor
from mmseg.registry import MODELS

from mmseg_cosda.datasets.label_files import check_label_ids
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX


@MODELS.register_module()
class UDADataPreprocessor(BaseDataPreprocessor):
    """Hands each domain's branch of a batch to its own host preprocessor.

    A training batch ``dict(source=dict(inputs, data_samples), target=...)`` becomes
    ``dict(inputs=dict(source=..., target=...), data_samples=dict(...))``, the host's
    contract for ``forward``. A plain batch (validation, test, inference) goes to the
    target's preprocessor.

    Images of a training batch that are smaller than the others, or than ``size``, are
    padded below and on the right; the samples' ``padding_size`` says by how much.

    Args:
        source: Config of the source domain's ``SegDataPreProcessor``.
        target: Config of the target domain's.
        size: (H, W) that training images of both domains are padded to, pixels; by
            default the domains' own. A size takes the place of a divisor, also within
            a domain: the host refuses both together.
        size_divisor: What heights and widths of both domains are padded to a multiple
            of; by default the domains' own, else 1.

    Raises:
        ValueError: If both ``size`` and ``size_divisor`` are given; at use, if a
            training batch lacks a domain, or labels hold what is no class.

    Examples:
        >>> both = dict(source=dict(), target=dict(size_divisor=32))
        >>> built = UDADataPreprocessor(**both, size=(64, 96))
        >>> built.source.size, built.target.size, built.target.size_divisor
        ((64, 96), (64, 96), None)
    """

    num_classes: int | None = None
    """Set by the segmentor: labels are looked at, on the CPU, before they move."""
    ignore_index: int = IGNORE_INDEX

    def __init__(
        self,
        source: dict[str, Any],
        target: dict[str, Any],
        size: Sequence[int] | None = None,
        size_divisor: int | None = None,
    ) -> None:
        super().__init__()
        if size is not None and size_divisor is not None:
            raise ValueError(
                f"size={size} and size_divisor={size_divisor} of data_preprocessor: "
                "give one of them"
            )
        self.normalizations = {
            "source": _normalization(source),
            "target": _normalization(target),
        }
        self.source = MODELS.build(_padded(source, size, size_divisor))
        self.target = MODELS.build(_padded(target, size, size_divisor))

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move a batch to the device, normalize and stack it.

        Args:
            data: A collated batch, plain or by domain.
            training: Whether labels are padded along.

        Returns:
            ``inputs`` and ``data_samples``, each plain or by domain.
        """
        if "inputs" in data:
            return self.target(data, training)
        if set(data) != {"source", "target"}:
            raise ValueError(
                f"a training batch has the keys {sorted(data)}, expected source and "
                "target; use DomainPairDataset as train_dataloader.dataset"
            )
        self._check_labels(data)
        branches = {
            name: getattr(self, name)(data[name], training)
            for name in ("source", "target")
        }
        return {
            key: {name: branch[key] for name, branch in branches.items()}
            for key in ("inputs", "data_samples")
        }

    def _check_labels(self, data: dict[str, Any]) -> None:
        """Refuse labels of no class: on a device they die without a word."""
        if self.num_classes is None:
            return
        samples = [s for branch in data.values() for s in branch["data_samples"]]
        for sample in samples:
            labels = sample.gt_sem_seg.data if "gt_sem_seg" in sample else None
            if labels is not None and labels.device.type == "cpu":
                path = sample.get("seg_map_path") or sample.get("img_path")
                check_label_ids(
                    labels.numpy(), self.num_classes, self.ignore_index, path
                )


def _normalization(branch: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a domain's images are normalized, to compare without a device."""
    mean, std = branch.get("mean"), branch.get("std")
    return {
        "mean": None if mean is None else [float(value) for value in mean],
        "std": None if std is None else [float(value) for value in std],
        "swapped": bool(branch.get("bgr_to_rgb") or branch.get("rgb_to_bgr")),
    }


def _padded(
    branch: dict[str, Any], size: Sequence[int] | None, size_divisor: int | None
) -> dict[str, Any]:
    """Return a domain's config with one of ``size`` and ``size_divisor``."""
    branch = {"type": "SegDataPreProcessor", **branch}
    if size_divisor is not None:
        branch.update(size=None, size_divisor=size_divisor)
    elif size is not None or branch.get("size") is not None:
        wanted = tuple(branch["size"] if size is None else size)
        branch.update(size=wanted, size_divisor=None)
    elif branch.get("size_divisor") is None:
        branch["size_divisor"] = 1
    return branch
