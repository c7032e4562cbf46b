"""Names of what is written of predictions, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import mmcv
from mmengine.fileio import get
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS

from mmseg_cosda.datasets.pseudo_label import image_roots, pseudo_label_name
from mmseg_cosda.files import inside


@HOOKS.register_module()
class PredictionNamesHook(SegVisualizationHook):
    """The host's visualization hook, with the names that images have in their folder.

    The host names what it writes after bare file names. Before a test or validation
    the metrics are told the folders of the images, so that ``test.py --out DIR``
    writes ``DIR/ulm/a.png`` for ``ulm/a.png``; ``--show-dir`` writes
    ``vis_image/ulm/test_a_1.png``, where 1 is the image's number in the test.

    Args:
        draw: Whether pictures are drawn; ``test.py --show-dir`` sets it.
        interval: Every how many validation images one is drawn; in a test all are.
        show: Whether to show the pictures in a window in place of writing them.
        wait_time: Seconds per shown picture; 0 waits for a key.
        backend_args: The host's file backend.
    """

    def __init__(
        self,
        draw: bool = False,
        interval: int = 50,
        show: bool = False,
        wait_time: float = 0.0,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(draw, interval, show, wait_time, backend_args)
        self._roots: Sequence[str] = ()

    def before_val(self, runner: Any) -> None:
        """Tell the metrics of the validation where its images lie."""
        self._set_roots(runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Tell the metrics of the test where its images lie."""
        self._set_roots(runner.test_loop)
        self._test_index = 0

    def _set_roots(self, loop: Any) -> None:
        self._roots = image_roots(loop.dataloader.dataset)
        for metric in loop.evaluator.metrics:
            if hasattr(metric, "image_roots"):
                metric.image_roots = self._roots

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]
    ) -> None:
        """Draw the first image of a batch, at each ``interval``."""
        step = runner.iter + batch_idx
        if self.draw and step % self.interval == 0:
            self._draw("val", outputs[0], step)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]
    ) -> None:
        """Draw every image of a batch."""
        for sample in outputs if self.draw else ():
            self._test_index += 1
            self._draw("test", sample, self._test_index)

    def _draw(self, mode: str, sample: Any, step: int) -> None:
        path = str(sample.img_path)
        content = get(path, backend_args=self.backend_args)
        nested = PurePosixPath(pseudo_label_name(path, self._roots))
        name = str(nested.with_name(f"{mode}_{nested.stem}"))
        visualizer = self._visualizer
        for backend in visualizer._vis_backends.values():
            folder = getattr(backend, "_img_save_dir", None)
            if folder is not None and nested.parent.name:
                # The host's local backend makes its own folder, none below it.
                Path(inside(folder, name)).parent.mkdir(parents=True, exist_ok=True)
        visualizer.add_datasample(
            name,
            mmcv.imfrombytes(content, channel_order="rgb"),
            data_sample=sample,
            show=self.show,
            wait_time=self.wait_time,
            step=step,
        )
