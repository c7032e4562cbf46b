"""The target images whose matches are shown, with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import mmcv
import torch
from mmseg.registry import DATASETS
from torch import Tensor

from mmseg_cosda.config import target_config, type_name
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.image_names import find_images, image_names, name_suffix
from mmseg_cosda.inference.images import TargetImages, inference_pipeline
from mmseg_cosda.matches.geometry import MapGeometry
from mmseg_cosda.matches.source import map_geometries
from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.class_wise_cosine_loss import ClassWiseCosineLoss
from mmseg_cosda.models.alignments.cosine_tap import map_rows, split_target
from mmseg_cosda.models.functional import confident_predictions, resize_labels

SPLITS = ("val", "train")


class TargetSet:
    """A config's target images: of its validation, or of its training.

    Args:
        cfg: A whole config.
        split: "val" or "train". Training images keep the pseudo-labels that the config
            has for them; all are loaded with the test pipeline.

    Raises:
        UserError: If the config names none, or they can't be read.
    """

    def __init__(self, cfg: Mapping[str, Any], split: str) -> None:
        self.pseudo_labels: Any = None
        if split == "val":
            dataset = (cfg.get("val_dataloader") or {}).get("dataset") or {}
            if not dataset.get("pipeline"):
                raise UserError(
                    "the config has no validation images (val_dataloader.dataset with "
                    "a pipeline); take --split train"
                )
            self.images = TargetImages(dict(dataset), list(dataset["pipeline"]))
            self.plain = self.images
        else:
            config = target_config(cfg)
            self.images = TargetImages(config, inference_pipeline(cfg, True))
            self.plain = TargetImages(config, inference_pipeline(cfg, False))
            trained = cfg["train_dataloader"]["dataset"]["target"]
            if type_name(trained) == "PseudoLabelDataset":
                self.pseudo_labels = DATASETS.build(trained)
        self.names = image_names(self.images)

    def sample(self, index: int) -> dict[str, Any]:
        """Return an image's packed sample, with ground truth where there is one.

        Raises:
            UserError: If the image can't be read.
        """
        sample = self.images[index]
        if "error" in sample and self.plain is not self.images:
            sample = self.plain[index]  # training images may have no labels
        if "error" in sample:
            raise UserError(sample["error"])
        return sample

    def pseudo_label(self, index: int) -> Tensor | None:
        """Return what an image is trained with, (H, W); None for none."""
        if self.pseudo_labels is None:
            return None
        file = self.pseudo_labels.get_data_info(index)["seg_map_path"]
        return torch.from_numpy(mmcv.imread(file, "unchanged"))

    def choose(self, names: Sequence[str], count: int) -> list[int]:
        """Return the named images, or this many, spread evenly.

        Args:
            names: With or without folder and suffix.
            count: Where no name is given.

        Raises:
            UserError: If there is no such image, or there are several.
        """
        if names:
            return find_images(names, self.names, name_suffix(self.images))
        total = len(self.names)
        if count > total:
            raise UserError(f"--count {count}: there are {total} target images")
        return [i * total // count for i in range(count)]


class TargetMap(NamedTuple):
    """A target image's features, split by class (process B).

    Args:
        rows: T, (h * w, K), in raster order.
        labels: The class of each, (h * w,).
        truth: Its ground truth, (h * w,), -1 where it has none; None without any.
        geometry: Of the map.
    """

    rows: Tensor
    labels: Tensor
    truth: Tensor | None
    geometry: MapGeometry


def split_target_map(
    loss: ClassWiseCosineLoss, tap: str, domain: DomainBatch, truth: Tensor | None
) -> TargetMap:
    """Take a map of one target image as the loss does.

    Args:
        loss: Of the training.
        tap: Name of the map.
        domain: One target image, with or without a pseudo-label.
        truth: Its ground truth, (H, W) of any size; None without.
    """
    options, ignore = loss.taps[tap], domain.ignore_index
    feature = loss.feature(tap, domain)
    predictions = confident_predictions(domain.logits, loss.min_confidence, ignore)
    labels = split_target(domain, predictions, options, feature)
    if truth is not None:
        truth = truth.to(labels)[None]
        if options.label_padding:  # counts pixels of the network's input
            truth = resize_labels(truth, domain.image_size)
        truth = options.resize(truth, feature, ignore).flatten()
        truth = torch.where((truth < 0) | (truth >= loss.num_classes), -1, truth)
    return TargetMap(
        rows=map_rows(feature)[0],
        labels=labels.flatten(),
        truth=truth,
        geometry=map_geometries(loss, domain)[tap],
    )
