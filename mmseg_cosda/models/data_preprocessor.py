"""One host preprocessor per domain."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseDataPreprocessor
from mmseg.registry import MODELS


@MODELS.register_module()
class UDADataPreprocessor(BaseDataPreprocessor):
    """Hands each domain's branch of a batch to its own host preprocessor.

    A training batch ``dict(source=dict(inputs, data_samples), target=...)`` becomes
    ``dict(inputs=dict(source=..., target=...), data_samples=dict(...))``, the host's
    contract for ``forward``. A plain batch (validation, test, inference) goes to the
    target's preprocessor.

    Args:
        source: Config of the source domain's ``SegDataPreProcessor``.
        target: Config of the target domain's.

    Raises:
        ValueError: If a training batch lacks a domain.
    """

    def __init__(self, source: dict[str, Any], target: dict[str, Any]) -> None:
        super().__init__()
        self.source = MODELS.build(source)
        self.target = MODELS.build(target)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Move a batch to the device, normalise and stack it.

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
        branches = {
            name: getattr(self, name)(data[name], training)
            for name in ("source", "target")
        }
        return {
            key: {name: branch[key] for name, branch in branches.items()}
            for key in ("inputs", "data_samples")
        }
