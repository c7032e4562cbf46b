"""The cosine loss's options, checked where they enter."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

_OWNER = "ClassWiseCosineLoss"


@dataclass(frozen=True)
class CosineOptions:
    """Options of ``ClassWiseCosineLoss``, where they are described."""

    num_classes: int
    queue_size: int
    loss_weight: float
    reduction: str
    use_queue: bool
    class_wise: bool
    split_target: bool
    enqueue_limit: int | None
    queue_dtype: str
    centering: bool
    top_k: int | None
    min_confidence: float
    warmup_iters: int
    repulsion_weight: float
    repulsion_margin: float

    def check(self) -> None:
        """Check each option and what they need of each other.

        Raises:
            ValueError: If one is out of range or needs another.
        """
        for key in ("num_classes", "queue_size"):
            self._check_integer(key, 1)
        for key in ("enqueue_limit", "top_k"):
            if getattr(self, key) is not None:
                self._check_integer(key, 1, ", or None for no limit")
        self._check_integer("warmup_iters", 0)
        self._check_range("loss_weight", 0, inf)
        self._check_range("repulsion_weight", 0, inf)
        self._check_range("min_confidence", 0, 1)
        self._check_range("repulsion_margin", -1, 1)
        self._check_choice("reduction", "mean", "sum")
        self._check_choice("queue_dtype", "float32", "float16")
        for key in ("use_queue", "class_wise", "split_target", "centering"):
            self._check_choice(key, True, False)
        if self.repulsion_weight and not (self.use_queue and self.class_wise):
            raise ValueError(
                f"{_OWNER}: repulsion_weight={self.repulsion_weight} needs the queues "
                "of the other classes: use_queue=True and class_wise=True"
            )
        if not self.split_target and not (self.use_queue and self.class_wise):
            raise ValueError(
                f"{_OWNER}: split_target=False needs the queues of all classes: "
                "use_queue=True and class_wise=True; class_wise=False alone splits "
                "neither domain"
            )
        if self.min_confidence and not self.class_wise:
            raise ValueError(
                f"{_OWNER}: min_confidence={self.min_confidence} needs "
                "class_wise=True: without, no pixel's class is asked for"
            )

    def _check_integer(self, key: str, least: int, other: str = "") -> None:
        value = getattr(self, key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            sign = "positive" if least else "0 or positive"
            raise ValueError(
                f"{_OWNER}: {key}={value!r} must be {sign}, an integer{other}"
            )

    def _check_range(self, key: str, low: float, high: float) -> None:
        value = getattr(self, key)
        number = isinstance(value, int | float)
        if not number or not low <= value <= high or value == inf:
            limits = "finite and not negative" if high == inf else f"in [{low}, {high}]"
            raise ValueError(f"{_OWNER}: {key}={value!r} must be {limits}")

    def _check_choice(self, key: str, *choices: object) -> None:
        value = getattr(self, key)
        if value not in choices:
            listed = " or ".join(map(repr, choices))
            raise ValueError(f"{_OWNER}: {key}={value!r}, choose {listed}")
