"""NaN and infinity end a training before they are saved."""

from mmseg_cosda.models.nonfinite.guard import NonFiniteGuard
from mmseg_cosda.models.nonfinite.hook import NonFiniteHook, watch_runner
from mmseg_cosda.models.nonfinite.weights import bad_weights, require_finite_weights

__all__ = [
    "NonFiniteGuard",
    "NonFiniteHook",
    "bad_weights",
    "require_finite_weights",
    "watch_runner",
]
