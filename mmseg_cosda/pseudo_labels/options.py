"""What a user chooses of pseudo-labels, and digests of what else they depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mmseg_cosda.pseudo_labels.histogram import check_quantile

COMPARISONS = ("gt", "ge")


@dataclass(frozen=True)
class GenerationOptions:
    """What a user chooses of the pseudo-labels.

    Args:
        quantile: Of the class-wise confidences. Default 0.5, the paper's median.
        cap: Upper bound of the thresholds. Default 0.9, as the paper.
        comparison: ``"gt"`` keeps confidence > tau (the paper), ``"ge"`` >= tau
            (BDL's code).
        evaluate: Whether to compare with the target's ground truth in the report.
        batch_size: Images per forward. Part of the result: a batch of another
            size may round differently.

    Raises:
        ValueError: If a value is out of range.
    """

    quantile: float = 0.5
    cap: float = 0.9
    comparison: str = "gt"
    evaluate: bool = False
    batch_size: int = 1

    def __post_init__(self) -> None:
        check_quantile(self.quantile, self.cap)
        if self.comparison not in COMPARISONS:
            raise ValueError(
                f"comparison={self.comparison!r} must be one of {COMPARISONS}"
            )
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be at least 1")


def content_digest(*values: Any) -> str:
    """Return a short digest of configs and lists of names.

    Examples:
        >>> content_digest({"a": 1}) == content_digest({"a": 1})
        True
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
