"""Label maps that checkpoints predict for a config's validation images."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import pseudo_collate
from mmengine.utils import ProgressBar
from torch.utils.data import DataLoader, Subset

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label import pseudo_label_names
from mmseg_cosda.errors import UserError
from mmseg_cosda.pseudo_labels.sources import TargetImages, type_name

UInt8 = npt.NDArray[np.uint8]


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
    classes = images.dataset.metainfo.get("classes") or ()
    if not 0 < len(classes) < IGNORE_INDEX:
        raise UserError(
            f"val_dataloader.dataset names {len(classes)} classes; from 1 to "
            f"{IGNORE_INDEX - 1} can be drawn"
        )
    return images


def image_names(images: TargetImages) -> list[str]:
    """Return the images' names below their folder, without the dataset's suffix.

    That of Cityscapes' ``ulm/ulm_0_leftImg8bit.png`` is ``ulm/ulm_0``.
    """
    names = pseudo_label_names(images.dataset)
    suffix = name_suffix(images)
    return [name.removesuffix(".png").removesuffix(suffix) for name in names]


def name_suffix(images: TargetImages) -> str:
    """Return what all files of a dataset have behind their names, but for the type."""
    suffixes = getattr(images.dataset, "img_suffix", "")
    suffixes = (suffixes,) if isinstance(suffixes, str) else suffixes
    ends = {suffix.rpartition(".")[0] for suffix in suffixes}
    return ends.pop() if len(ends) == 1 else ""


class LabelMaps:
    """Label maps in memory, compressed: whole validation sets of several models.

    Args:
        maps: Each (H, W) uint8, of any size.

    Examples:
        >>> maps = LabelMaps()
        >>> maps.append(np.full((4, 6), 3, np.uint8))
        >>> len(maps), maps[0].shape, int(maps[0][0, 0])
        (1, (4, 6), 3)
    """

    def __init__(self, maps: Sequence[UInt8] = ()) -> None:
        self._files: list[npt.NDArray[np.uint8]] = []
        for label in maps:
            self.append(label)

    def append(self, label: UInt8) -> None:
        """Keep a map; a PNG without loss is some fiftieth of its size."""
        done, file = cv2.imencode(".png", label, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert done
        self._files.append(file)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> UInt8:
        return np.asarray(
            cv2.imdecode(self._files[index], cv2.IMREAD_UNCHANGED), np.uint8
        )

    def __iter__(self) -> Iterator[UInt8]:
        return (self[index] for index in range(len(self)))


@torch.inference_mode()
def predict_maps(
    model: Any,
    images: TargetImages,
    indices: Sequence[int],
    batch_size: int = 1,
    workers: int = 2,
) -> tuple[LabelMaps, LabelMaps]:
    """Predict images with the host's inference, as its evaluation does.

    Args:
        model: A host segmentor in eval mode, on its device.
        images: The validation images.
        indices: Which of them.
        batch_size: Images per forward.
        workers: Processes that load images.

    Returns:
        Predictions and ground truth of the images, at the size of the evaluation.

    Raises:
        UserError: If the model has other classes than the images, or an image can't
            be read, is of another size than its batch, or has no or other labels.
    """
    classes = images.dataset.metainfo["classes"]
    if model.out_channels != len(classes):
        raise UserError(
            f"the model has {model.out_channels} output channels, the images of "
            f"val_dataloader have {len(classes)} classes; they must agree"
        )
    loader: DataLoader[Any] = DataLoader(
        Subset(images, list(indices)),
        batch_size=batch_size,
        num_workers=min(workers, len(indices)),
        collate_fn=list,
        worker_init_fn=_one_thread,
    )
    predictions, truths = LabelMaps(), LabelMaps()
    bar = ProgressBar(len(indices), file=sys.stderr)
    for samples in loader:
        _check_batch(samples)
        for result in model.test_step(pseudo_collate(samples)):
            predicted, truth = _label_maps(result)
            predictions.append(predicted)
            truths.append(truth)
        bar.update(len(samples))
    print(file=sys.stderr)
    return predictions, truths


def _check_batch(samples: Sequence[dict[str, Any]]) -> None:
    for sample in samples:
        if "error" in sample:
            raise UserError(sample["error"])
        if "gt_sem_seg" not in sample["data_samples"]:
            raise UserError(
                "the pipeline of val_dataloader loads no labels; add "
                'dict(type="LoadAnnotations")'
            )
    sizes = {tuple(sample["inputs"].shape[1:]) for sample in samples}
    if len(sizes) > 1:
        raise UserError(
            f"images of the sizes {sorted(sizes)} don't make a batch; take "
            "--batch-size 1, or resize to one size in the test pipeline"
        )


def _label_maps(result: Any) -> tuple[UInt8, UInt8]:
    """Return prediction and ground truth of a host's result, (H, W) uint8."""
    predicted = result.pred_sem_seg.data[0].to(torch.uint8).cpu().numpy()
    truth = result.gt_sem_seg.data[0].to(torch.uint8).cpu().numpy()
    if predicted.shape != truth.shape:
        raise UserError(
            f"image {result.metainfo.get('img_path')}: labels of {truth.shape}, but "
            f"the evaluation is at {predicted.shape}; load the labels after the "
            "resize in the pipeline of val_dataloader"
        )
    return predicted, truth


def read_picture(sample: Mapping[str, Any], like: UInt8) -> UInt8:
    """Return a packed sample's image for the eye.

    Args:
        sample: With ``inputs``, (3, h, w) BGR as the host loads it.
        like: Label map whose size the image is brought to, (H, W).

    Returns:
        (H, W, 3) uint8, RGB.
    """
    image = sample["inputs"].float().round().clamp(0, np.iinfo(np.uint8).max)
    array = image.to(torch.uint8).flip(0).permute(1, 2, 0).contiguous().numpy()
    height, width = like.shape
    resized = cv2.resize(array, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
