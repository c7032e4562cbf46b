"""Predicting pictures of any size, one after the other or in batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.picture_files import Picture

UInt8 = npt.NDArray[np.uint8]
Sample = dict[str, Any]
MOST_WAITING = 4  # batches of pictures that wait for others of their size
JPEG = {".jpg", ".jpeg"}


@dataclass(frozen=True)
class Prediction:
    """A predicted picture.

    Args:
        picture: Which one.
        image: The picture as shown, (H, W, 3) RGB.
        label: Ids, (H, W), uint8 or, of more than 256 classes, uint16.
    """

    picture: Picture
    image: UInt8
    label: npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read.

    Args:
        picture: Which one.
        reason: In a few words.
    """

    picture: Picture
    reason: str


class PictureSamples(Dataset[Sample]):
    """Pictures through a pipeline.

    Args:
        pictures: The files.
        pipeline: Of which the first transform loads the file, the last packs.
    """

    def __init__(
        self, pictures: Sequence[Picture], pipeline: Sequence[Mapping[str, Any]]
    ) -> None:
        self.pictures = pictures
        self.load, self.rest = Compose(pipeline[:1]), Compose(pipeline[1:])

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        """Return index, packed sample and image; or index and what went wrong."""
        path = self.pictures[index].path
        try:
            require_whole(path)
            loaded = self.load(dict(img_path=str(path), seg_fields=[]))
            image = as_rgb(loaded["img"])
            return {"index": index, "packed": self.rest(loaded), "image": image}
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AssertionError,
            AttributeError,
            cv2.error,
        ) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            return {"index": index, "error": reason.replace(f"{path}", "it")}


def require_whole(path: Path) -> None:
    """Refuse a JPEG file that ends too early.

    OpenCV 4 reads what there is and says nothing; OpenCV 5 refuses the file, as both
    do for other formats.

    Args:
        path: A picture of any format; others are not looked at.

    Raises:
        OSError: If the file is cut off.
    """
    if path.suffix.lower() not in JPEG:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large pictures are meant
        try:
            with Image.open(path) as image:
                # Decoding at an eighth of the size takes little time.
                image.draft("L", (image.width // 8, image.height // 8))
                image.load()
        except (Image.DecompressionBombError, Image.UnidentifiedImageError):
            return  # OpenCV decides


def as_rgb(image: npt.NDArray[Any]) -> UInt8:
    """Return what a pipeline loaded as a picture for the eye.

    Args:
        image: (H, W) or (H, W, bands), BGR first as the host loads; 8 or 16 bits, or
            float of 0..255.

    Returns:
        (H, W, 3) RGB.

    Examples:
        >>> as_rgb(np.array([[[0, 1, 2, 9]]], np.uint8)).tolist()
        [[[2, 1, 0]]]
        >>> as_rgb(np.array([[65535]], np.uint16)).tolist()
        [[[255, 255, 255]]]
    """
    if image.ndim == 2:
        image = image[..., None]
    image = image[..., :3][..., ::-1] if image.shape[2] > 2 else image[..., :1]
    if image.dtype == np.uint16:
        image = image >> 8
    elif image.dtype != np.uint8:
        image = np.clip(np.rint(image), 0, 255)
    bytes_ = image.astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(bytes_, (*bytes_.shape[:2], 3)))


def predict_pictures(
    model: Any,
    pictures: Sequence[Picture],
    pipeline: Sequence[Mapping[str, Any]],
    batch_size: int = 1,
    workers: int = 2,
) -> Iterator[Prediction | Unreadable]:
    """Predict pictures at their own sizes, with the host's inference.

    Pictures of one size make batches; each waits for others until a few batches
    of them wait. So predictions come in another order than their pictures.

    Args:
        model: A host segmentor in eval mode, on its device.
        pictures: The files.
        pipeline: As of
            :func:`~mmseg_cosda.inference.picture_pipeline.picture_pipeline`.
        batch_size: Pictures per forward.
        workers: Processes that load pictures.

    Yields:
        Each picture's prediction, or why there is none.

    Raises:
        UserError: If the device's memory doesn't suffice.
    """
    loader: DataLoader[Sample] = DataLoader(
        PictureSamples(pictures, pipeline),
        batch_size=None,
        num_workers=min(workers, len(pictures)),
        collate_fn=_as_it_is,
        worker_init_fn=_one_thread,
    )
    waiting: dict[tuple[Any, ...], list[Sample]] = {}
    for sample in loader:
        if "error" in sample:
            yield Unreadable(pictures[sample["index"]], sample["error"])
            continue
        size = (tuple(sample["packed"]["inputs"].shape), sample["image"].shape)
        waiting.setdefault(size, []).append(sample)
        if len(waiting[size]) == batch_size:
            yield from _predict(model, waiting.pop(size), pictures)
        elif sum(map(len, waiting.values())) >= MOST_WAITING * batch_size:
            yield from _predict(model, waiting.pop(next(iter(waiting))), pictures)
    for samples in waiting.values():
        yield from _predict(model, samples, pictures)


def _predict(
    model: Any, samples: list[Sample], pictures: Sequence[Picture]
) -> Iterator[Prediction]:
    kind = np.uint8 if model.num_classes <= 256 else np.uint16
    try:
        with torch.inference_mode():
            batch = pseudo_collate([sample["packed"] for sample in samples])
            results = model.test_step(batch)
            labels = [
                r.pred_sem_seg.data[0].cpu().numpy().astype(kind) for r in results
            ]
    except torch.cuda.OutOfMemoryError as error:
        height, width = samples[0]["image"].shape[:2]
        raise UserError(
            f"{len(samples)} picture(s) of {width}x{height} don't fit into the "
            "device's memory: take a smaller --batch-size, or --device cpu"
        ) from error
    for sample, label in zip(samples, labels, strict=True):
        yield Prediction(pictures[sample["index"]], sample["image"], label)


def _as_it_is(sample: Any) -> Any:
    return sample


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
