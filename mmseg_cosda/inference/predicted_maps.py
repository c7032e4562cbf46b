"""Label maps that a model predicts, beside their ground truth."""

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

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.images import TargetImages, load_batches

UInt8 = npt.NDArray[np.uint8]


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
    batches = [
        list(indices[start : start + batch_size])
        for start in range(0, len(indices), batch_size)
    ]
    predictions, truths = LabelMaps(), LabelMaps()
    bar = ProgressBar(len(indices), file=sys.stderr)
    for samples in load_batches(images, batches, workers):
        _require_truth(samples)
        for result in model.test_step(pseudo_collate(samples)):
            predicted, truth = _label_maps(result)
            predictions.append(predicted)
            truths.append(truth)
        bar.update(len(samples))
    print(file=sys.stderr)
    return predictions, truths


def _require_truth(samples: Sequence[Mapping[str, Any]]) -> None:
    if any("gt_sem_seg" not in sample["data_samples"] for sample in samples):
        raise UserError(
            "the pipeline of val_dataloader loads no labels; add "
            'dict(type="LoadAnnotations")'
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
