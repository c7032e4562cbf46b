"""What a segmentor looks at before its steps within a Runner."""

from __future__ import annotations

from typing import Any

from mmseg_cosda.models.nonfinite import (
    NonFiniteGuard,
    require_finite_weights,
    watch_runner,
)
from mmseg_cosda.option_checks import require_choices
from mmseg_cosda.preflight.callers import loaded_checkpoint
from mmseg_cosda.preflight.run import check_before_run


class RunChecks:
    """Runs each check of a segmentor when it is due, once.

    Args:
        preflight: Whether the first step within a Runner is checked.
        nonfinite: "stop" or "skip", of the :class:`NonFiniteGuard`.

    Raises:
        ValueError: If ``nonfinite`` is neither.
    """

    def __init__(self, preflight: bool, nonfinite: str) -> None:
        require_choices("UDAEncoderDecoder", "stop", "skip", nonfinite=nonfinite)
        self.guard = NonFiniteGuard(nonfinite)
        self._preflight_due = preflight
        self._watched = False
        self._weights_due = True

    def before_any_step(self, model: Any) -> None:
        """Run the preflight, if this is the first step within a Runner.

        Args:
            model: The segmentor.

        Raises:
            UserError: If data, model and schedule don't agree.
        """
        if self._preflight_due:
            self._preflight_due = False
            check_before_run(model)

    def before_training_step(self, model: Any) -> None:
        """Run the preflight, and let the Runner ask the guard before it writes."""
        self.before_any_step(model)
        if not self._watched:
            self._watched = True
            watch_runner(model, self.guard)

    def before_evaluation_step(self, model: Any) -> None:
        """Run the preflight, and refuse weights that are NaN.

        Args:
            model: The segmentor; it is looked at once for each time it was loaded.

        Raises:
            UserError: If some of its weights are NaN.
        """
        self.before_any_step(model)
        if self._weights_due:
            self._weights_due = False
            cure = "take an earlier checkpoint, or train with a lower learning rate"
            require_finite_weights(model, loaded_checkpoint(), cure)

    def weights_loaded(self) -> None:
        """Take note that the weights are others."""
        self._weights_due = True
