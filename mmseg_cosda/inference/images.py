"""The images that a model predicts, as a config names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import Compose
from mmseg.registry import DATASETS, TRANSFORMS
from torch.utils.data import DataLoader, Dataset

from mmseg_cosda.config import find_test_pipeline, type_name
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.transforms import CheckLabels, RawIdsToTrainIds
from mmseg_cosda.errors import UserError

UInt8 = npt.NDArray[np.uint8]
LABEL_LOADERS = (LoadAnnotations, RawIdsToTrainIds)


def needs_labels(transform: Mapping[str, Any]) -> bool:
    """Return whether a transform loads labels or looks at them.

    Args:
        transform: Its config.

    Examples:
        >>> [needs_labels(dict(type=kind)) for kind in ("LoadAnnotations", "Resize")]
        [True, False]
    """
    return _is_one_of(transform, (*LABEL_LOADERS, CheckLabels))


def _is_one_of(transform: Mapping[str, Any], kinds: tuple[type, ...]) -> bool:
    kind = transform.get("type")
    if isinstance(kind, str):
        kind = TRANSFORMS.get(kind)
    return isinstance(kind, type) and issubclass(kind, kinds)


def inference_pipeline(
    cfg: Mapping[str, Any], with_labels: bool
) -> list[dict[str, Any]]:
    """Return a config's test pipeline, with or without the ground truth.

    Args:
        cfg: A whole config.
        with_labels: Whether to keep the transforms that need labels.

    Raises:
        UserError: If the config has no test pipeline.
    """
    pipeline = find_test_pipeline(cfg)
    return [t for t in pipeline if with_labels or not needs_labels(t)]


class TargetImages(Dataset[dict[str, Any]]):
    """A host dataset's images through another pipeline.

    Args:
        dataset: Config of the host dataset; its own pipeline is not used.
        pipeline: Transforms, ending in the host's ``PackSegInputs``.

    Raises:
        UserError: If the dataset can't be built or has no images.
    """

    def __init__(self, dataset: dict[str, Any], pipeline: list[dict[str, Any]]) -> None:
        if "pipeline" in dataset:
            dataset = {**dataset, "pipeline": []}
        self.kind = type_name(dataset)
        try:
            self.dataset: Any = DATASETS.build(dataset)
            self.dataset.full_init()
        except (AssertionError, OSError) as error:
            raise UserError(
                f"target dataset {self.kind}: {error}; check its data_root and "
                "data_prefix"
            ) from error
        if len(self.dataset) == 0:
            raise UserError(
                f"target dataset {self.kind} has no images; check its data_root and "
                "data_prefix"
            )
        self.pipeline = Compose(pipeline)
        self.loads_labels = any(_is_one_of(t, LABEL_LOADERS) for t in pipeline)

    def require_labels(self, cure: str) -> None:
        """Check that the dataset names the ground truth that its pipeline loads.

        Args:
            cure: What else to do, for the error.

        Raises:
            UserError: If it names none.
        """
        if self.loads_labels and "seg_map_path" not in self.dataset.get_data_info(0):
            raise UserError(
                f"target dataset {self.kind} names no ground truth; add the folder of "
                "its labels, data_prefix.seg_map_path, to this dataset in the config, "
                f"or {cure}"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the packed sample; what fails is told, not raised in a worker."""
        info = self.dataset.get_data_info(index)
        try:
            sample: dict[str, Any] = self.pipeline(info)
        except (OSError, ValueError, AssertionError, AttributeError, KeyError) as error:
            image = info.get("img_path")
            return {"error": f"image {image}: {type(error).__name__}: {error}"}
        return sample


def validation_images(cfg: Mapping[str, Any]) -> TargetImages:
    """Return the images of a config's ``val_dataloader`` through its own pipeline.

    Args:
        cfg: A whole config, of this project or of the host.

    Raises:
        UserError: If it names none, or they can't be read.
    """
    dataset = (cfg.get("val_dataloader") or {}).get("dataset") or {}
    if not dataset.get("pipeline"):
        raise UserError(
            "the config has no validation images: val_dataloader.dataset is of type "
            f"{type_name(dataset)} and must be a dataset with a pipeline"
        )
    images = TargetImages(dict(dataset), list(dataset["pipeline"]))
    images.require_labels("take a dataset that has them as val_dataloader.dataset")
    classes = images.dataset.metainfo.get("classes") or ()
    if not 0 < len(classes) < IGNORE_INDEX:
        raise UserError(
            f"val_dataloader.dataset names {len(classes)} classes; from 1 to "
            f"{IGNORE_INDEX - 1} can be drawn"
        )
    return images


def load_batches(
    images: Dataset[dict[str, Any]], batches: list[list[int]], workers: int
) -> Iterator[list[dict[str, Any]]]:
    """Load images batch by batch, ahead of the model.

    Args:
        images: Such as :class:`TargetImages`.
        batches: Indices of the images of each batch.
        workers: Processes that load images; at most one per batch is started.

    Yields:
        The packed samples of a batch, all of one size.

    Raises:
        UserError: If an image can't be read, or is of another size than its batch.
    """
    loader: DataLoader[Any] = DataLoader(
        images,
        batch_sampler=batches,
        num_workers=min(workers, len(batches)),
        collate_fn=list,
        worker_init_fn=_one_thread,
    )
    for samples in loader:
        for sample in samples:
            if "error" in sample:
                raise UserError(sample["error"])
        sizes = {tuple(sample["inputs"].shape[1:]) for sample in samples}
        if len(sizes) > 1:
            raise UserError(
                f"images of the sizes {sorted(sizes)} don't make a batch; take "
                "--batch-size 1, or resize to one size in the test pipeline"
            )
        yield samples


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)


def read_picture(sample: Mapping[str, Any], like: UInt8) -> UInt8:
    """Return a packed sample's image for the eye.

    Args:
        sample: With ``inputs``, (3, h, w) BGR as the host loads it.
        like: Label map whose size the image is brought to, (H, W).

    Returns:
        (H, W, 3) uint8, RGB.
    """
    image = sample["inputs"].float().round().clamp(0, np.iinfo(np.uint8).max)
    array = image.byte().flip(0).permute(1, 2, 0).contiguous().numpy()
    height, width = like.shape
    resized = cv2.resize(array, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)
