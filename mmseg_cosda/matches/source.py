"""A queue filled anew with a config's source images (process A)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.utils import ProgressBar
from mmseg.registry import DATASETS

from mmseg_cosda.errors import UserError
from mmseg_cosda.matches.forward import see_source
from mmseg_cosda.matches.geometry import MapGeometry
from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.alignments.class_wise_cosine_loss import ClassWiseCosineLoss
from mmseg_cosda.randomness import derive_seed, derived_randomness

ORDERS = ("random", "dataset")
FEWEST, MOST = 20, 100
"""Source images by default: until each class has features, but within these."""


class SourceImages:
    """A config's source images through their training pipeline, the same each time.

    Args:
        cfg: A whole config.
        seed: Of the pipeline's random transforms, and of the order.
        order: "random", or that of the "dataset".

    Raises:
        UserError: If the config has no source domain, or it can't be read.
    """

    def __init__(
        self, cfg: Mapping[str, Any], seed: int, order: str = "random"
    ) -> None:
        dataset = (cfg.get("train_dataloader") or {}).get("dataset") or {}
        if not dataset.get("source"):
            raise UserError(
                "the config has no source domain: train_dataloader.dataset must be "
                "DomainPairDataset(source=..., target=...), as in configs/cosda/"
            )
        try:
            self.dataset: Any = DATASETS.build(dataset["source"])
            self.dataset.full_init()
        except (AssertionError, OSError) as error:
            raise UserError(
                f"source dataset: {error}; check its data_root and data_prefix"
            ) from error
        self.seed = seed
        self.order: Sequence[int] = range(len(self.dataset))
        if order == "random":
            generator = np.random.default_rng(derive_seed(seed))
            self.order = generator.permutation(len(self.dataset)).tolist()

    def __len__(self) -> int:
        return len(self.dataset)

    def sample(self, index: int) -> dict[str, Any]:
        """Return the packed sample of an image; ``index`` is the dataset's."""
        with derived_randomness(derive_seed(self.seed, index)):
            found: dict[str, Any] = self.dataset[index]
        return found

    def name(self, index: int) -> str:
        """Return an image's path."""
        return str(self.dataset.get_data_info(index)["img_path"])


class SeenImage(NamedTuple):
    """A source image that a loss has seen.

    Args:
        number: Its index in the source dataset.
        maps: Geometry of each of the loss's maps.
    """

    number: int
    maps: Mapping[str, MapGeometry]


def fill_queues(
    model: Any,
    loss: ClassWiseCosineLoss,
    images: SourceImages,
    count: int | None = None,
) -> list[SeenImage]:
    """Let a loss see source images, as in training, in the images' order.

    Args:
        model: The segmentor in eval mode.
        loss: With empty queues, on the model's device.
        images: The source images.
        count: How many; None: until each class has features, but from 20 to 100.

    Returns:
        The images seen, in their order: that of the queues' pushes.

    Raises:
        UserError: If there are fewer images.
    """
    if count is not None and count > len(images):
        raise UserError(f"--source-images {count}: the source has {len(images)} images")
    most = count or min(MOST, len(images))
    least = count or min(FEWEST, len(images))
    seen: list[SeenImage] = []
    bar = ProgressBar(most, file=sys.stderr)
    for position, index in enumerate(images.order[:most]):
        sample = images.sample(index)
        seed = derive_seed(images.seed, position)
        domain = see_source(model, sample, loss.feature_paths, seed)
        loss.on_source(domain)
        seen.append(SeenImage(index, map_geometries(loss, domain)))
        bar.update()
        if len(seen) >= least and _each_class_has_features(loss):
            break
    print(file=sys.stderr)
    return seen


def _each_class_has_features(loss: ClassWiseCosineLoss) -> bool:
    fills = [loss.report()[f"queue_fill_{name}"] for name in loss.taps]
    return bool((torch.stack(fills) > 0).all())


def map_geometries(
    loss: ClassWiseCosineLoss, domain: DomainBatch
) -> dict[str, MapGeometry]:
    """Return where the pixels of each of a loss's maps lie in their images."""
    shapes = {name: domain.features[t.feature].shape for name, t in loss.taps.items()}
    return {
        name: MapGeometry(
            (shape[-2], shape[-1]), domain.image_size, loss.taps[name].label_padding
        )
        for name, shape in shapes.items()
    }
