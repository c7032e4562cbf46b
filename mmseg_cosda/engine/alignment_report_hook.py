"""Writes what a user needs to trust a run, class by class, beside the scalars."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class AlignmentReportHook(Hook):
    """Sends each alignment's ``report()`` to the visualizer's backends.

    A report holds one value per class, such as the fill of each class's queue: too
    many for the console, so that they go to ``vis_data/scalars.json`` (and TensorBoard
    where it is a backend) alone, as ``cosine/queue_fill_layer4/<class>``.

    Args:
        interval: Iterations between two reports.

    Raises:
        ValueError: If ``interval`` is not positive.
    """

    def __init__(self, interval: int = 500) -> None:
        if interval < 1:
            raise ValueError(f"AlignmentReportHook: interval={interval}, must be >= 1")
        self.interval = interval

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Write the reports at each ``interval``."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        classes = runner.train_dataloader.dataset.metainfo.get("classes")
        scalars = {}
        for name, alignment in getattr(model, "alignments", {}).items():
            for key, values in alignment.report().items():
                for index, value in enumerate(values.tolist()):
                    label = classes[index] if classes else index
                    scalars[f"{name}/{key}/{label}"] = value
        if scalars:
            runner.visualizer.add_scalars(scalars, step=runner.iter + 1)
