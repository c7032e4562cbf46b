"""Watches matches and features with ground truth that no training ever sees."""

from __future__ import annotations

import os
from typing import Any

import mmcv
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmseg.registry import DATASETS
from torch import Tensor

from mmseg_cosda.models.class_similarity import similarity_between, similarity_within
from mmseg_cosda.models.matching import match_shares


@HOOKS.register_module()
class MatchDiagnosisHook(Hook):
    """Tells whether matches are right, and whether the classes stay apart.

    At each interval some labelled target images go through the model, in eval mode
    and without a gradient: the training is the same with and without this hook. Their
    figures go to ``vis_data/scalars.json``, as ``diagnosis/<figure>`` and
    ``diagnosis/<figure>/<class>``:

    - ``within``: mean cosine similarity of two features of one class, ``between``: of
      features of two classes. Where both rise to 1, the features collapse.
    - ``<alignment>.<map>/selected``, ``match_precision``, ``assignment_accuracy``,
      ``pulled`` (of the pixels with a ground truth) and ``similarity``: see
      :func:`mmseg_cosda.models.matching.match_shares`.

    Target images are split as in training: by their pseudo-labels, if the training has
    any for them, and the prediction.

    Args:
        dataset: Config of a dataset with target images and their ground truth.
        feature: Tap path of the map whose similarities are measured.
        images: Number of images, spread evenly over the dataset.
        interval: Iterations between two diagnoses; the first iteration is diagnosed
            too.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(
        self,
        dataset: dict[str, Any],
        feature: str = "backbone[-1]",
        images: int = 20,
        interval: int = 100,
    ) -> None:
        for key, value in {"images": images, "interval": interval}.items():
            if value < 1:
                raise ValueError(f"MatchDiagnosisHook: {key}={value}, must be >= 1")
        self.dataset = dataset
        self.feature = feature
        self.images = images
        self.interval = interval
        self._samples: list[tuple[dict[str, Any], Tensor | None]] = []

    def before_train(self, runner: Any) -> None:
        """Load the images, and their pseudo-labels if the training has any."""
        if not is_main_process():
            return
        dataset = DATASETS.build(self.dataset)
        pseudo_labels = _pseudo_label_files(runner.train_dataloader.dataset)
        count = min(self.images, len(dataset))
        for index in (i * len(dataset) // count for i in range(count)):
            image = os.path.abspath(dataset.get_data_info(index)["img_path"])
            file = pseudo_labels.get(image)
            label = None
            if file is not None:
                label = torch.from_numpy(mmcv.imread(file, "unchanged"))[None]
            self._samples.append((pseudo_collate([dataset[index]]), label))

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Diagnose at each ``interval``."""
        if not self._samples:
            return
        if self.every_n_train_iters(runner, self.interval) or runner.iter == 0:
            runner.visualizer.add_scalars(self.figures(runner), step=runner.iter + 1)

    def figures(self, runner: Any) -> dict[str, float]:
        """Return the figures of the model as it is, by their names in the log."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        mode = model.training
        model.eval()
        try:
            parts = [
                model.diagnose(data, self.feature, label)
                for data, label in self._samples
            ]
        finally:
            model.train(mode)
        found = parts[0]
        for part in parts[1:]:
            found = found + part
        between = similarity_between(found.features)
        between.fill_diagonal_(torch.nan)
        tables = {
            "within": _with_mean(similarity_within(found.features)),
            "between": _with_mean(between.nanmean(dim=1)),
        }
        for name, sums in found.matches.items():
            for key, values in match_shares(sums, labelled=True).items():
                tables[f"{name}/{key}"] = values
        classes = [*runner.train_dataloader.dataset.metainfo["classes"], None]
        return {
            f"diagnosis/{key}" if label is None else f"diagnosis/{key}/{label}": value
            for key, values in tables.items()
            for label, value in zip(classes, values.tolist(), strict=True)
        }


def _with_mean(values: Tensor) -> Tensor:
    return torch.cat([values, values.nanmean()[None]])


def _pseudo_label_files(dataset: Any) -> dict[str, str]:
    """Return the pseudo-label of each target image of a training, by image."""
    target: Any = getattr(dataset, "target", None)
    if not hasattr(target, "pseudo_label_dir"):
        return {}
    infos = (target.get_data_info(index) for index in range(len(target)))
    return {os.path.abspath(i["img_path"]): i["seg_map_path"] for i in infos}
