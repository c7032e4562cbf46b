"""Facts of datasets: what they say of themselves, and some samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmengine.dataset import Compose

from mmseg_cosda.datasets.image_files import lost_by, picture_reader
from mmseg_cosda.datasets.label_facts import label_of
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label import PseudoLabelDataset
from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight.facts import DataFacts, SampleFacts, Size
from mmseg_cosda.randomness import derive_seed, derived_randomness

LOOKED_AT = {"source": 8, "target": 2, "val": 2, "test": 2}
"""Samples per role: seconds with the largest of the usual images, 1914x1052."""


def data_facts(key: str, role: str, dataset: Any) -> DataFacts:
    """Look at a dataset and some of its samples, without drawing a random number.

    Args:
        key: Where the config names it.
        role: ``"source"``, ``"target"``, ``"val"`` or ``"test"``.
        dataset: A dataset of the host or one that wraps some.

    Returns:
        The facts.

    Raises:
        UserError: If a sample can't be made of the data: the pipeline's own error
            with the config key.
    """
    parts = list(leaves(dataset))
    metainfo = getattr(dataset, "metainfo", None) or {}
    classes = tuple(metainfo.get("classes") or ())
    length = len(dataset)
    indices = _spread(length, LOOKED_AT[role])
    samples = tuple(_sample(key, dataset, i, len(indices)) for i in indices)
    return DataFacts(
        key=key,
        role=role,
        type=type(dataset).__name__,
        classes=classes,
        benchmark=bool(parts) and all(_of_a_benchmark(part) for part in parts),
        length=length,
        ignore_index=getattr(parts[0], "ignore_index", IGNORE_INDEX),
        same_size=all(
            getattr(part, "same_size", True)
            and not isinstance(part, PseudoLabelDataset)
            for part in parts
        ),
        labelled=_ground_truth(key, parts) if role == "target" else (),
        samples=samples,
        lost=_lost(key, parts, LOOKED_AT[role]),
    )


def leaves(dataset: Any) -> Iterator[Any]:
    """Find the datasets in the host's wrappers (concatenated, repeated, ...).

    Args:
        dataset: A dataset; a ``PseudoLabelDataset`` isn't taken apart.

    Yields:
        Those that wrap no other.
    """
    inner = getattr(dataset, "datasets", None)
    if inner:
        for part in inner:
            yield from leaves(part)
    elif hasattr(dataset, "dataset") and not isinstance(dataset, PseudoLabelDataset):
        yield from leaves(dataset.dataset)
    else:
        yield dataset


def _ground_truth(key: str, parts: list[Any]) -> tuple[str, ...]:
    """Name the parts that hand labels to training and hold no pseudo-labels."""
    names = []
    for part in parts:
        if not isinstance(part, PseudoLabelDataset):
            sample = take_sample(key, part, 0, 0)
            if label_of(sample) is not None:
                names.append(type(part).__name__)
    return tuple(dict.fromkeys(names))


def _lost(key: str, parts: list[Any], count: int) -> str | None:
    """Say what training loses of the first image of which it loses something."""
    for part in parts:
        reader = picture_reader(part)
        if reader is None or not hasattr(part, "get_data_info"):
            continue
        for index in _spread(len(part), count):
            with derived_randomness(0), _named(key):
                text = lost_by(reader, part.get_data_info(index))
            if text is not None:
                return text
    return None


def _spread(length: int, count: int) -> list[int]:
    count = min(count, length)
    return [i * length // count for i in range(count)]


def _of_a_benchmark(dataset: Any) -> bool:
    """Return whether the classes are its dataset class's, not the config's."""
    dataset = getattr(dataset, "dataset", dataset)
    fixed = getattr(type(dataset), "METAINFO", {}).get("classes") or ()
    classes = (getattr(dataset, "metainfo", None) or {}).get("classes") or ()
    return bool(classes) and set(classes) <= set(fixed)


def take_sample(key: str, dataset: Any, index: int, count: int) -> Any:
    """Read a sample, without drawing from the global generators.

    Args:
        key: Where the config names the dataset.
        dataset: A dataset.
        index: Of the sample.
        count: Of the samples that are looked at.

    Returns:
        The sample.

    Raises:
        UserError: If it can't be read: the pipeline's own error with the config key.
    """
    with derived_randomness(derive_seed(index, count)), _named(key):
        return dataset[index]


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Have errors about a dataset's files name its place in the config."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = str(error)
        raise UserError(text if key in text else f"{key}: {text}") from error


def _sample(key: str, dataset: Any, index: int, count: int) -> SampleFacts:
    sample = take_sample(key, dataset, index, count)
    label = label_of(sample)
    packed = sample.get("data_samples") if isinstance(sample, Mapping) else None
    several = isinstance(packed, list | tuple)
    meta = {} if packed is None or several else packed.metainfo
    inputs = sample.get("inputs") if isinstance(sample, Mapping) else None
    image = None if inputs is None or several else _size(inputs.shape[-2:])
    original = meta.get("ori_shape")
    return SampleFacts(
        image=image,
        label=None if label is None or several else _size(label.shape[-2:]),
        original=None if original is None else _size(original[:2]),
        ids=() if label is None else tuple(int(i) for i in np.unique(label)),
        image_path=str(meta.get("img_path") or f"sample {index}"),
        label_path=str(meta.get("seg_map_path") or ""),
        loaded=_loaded(dataset, index) if index == 0 and label is not None else None,
    )


def _loaded(dataset: Any, index: int) -> tuple[Size, Size] | None:
    """Return the sizes of an image's file and its label's, once both are loaded."""
    pipeline = getattr(dataset, "pipeline", None)
    if not isinstance(pipeline, Compose) or not hasattr(dataset, "get_data_info"):
        return None
    with derived_randomness(0):
        results = dataset.get_data_info(index)
        for transform in pipeline.transforms:
            results = transform(results)
            if not isinstance(results, Mapping):
                return None
            image, label = results.get("img"), results.get("gt_seg_map")
            if isinstance(image, np.ndarray) and isinstance(label, np.ndarray):
                # An image may be resized while it is loaded.
                original = results.get("ori_shape") or image.shape
                return _size(original[:2]), _size(label.shape[:2])
    return None


def _size(shape: Any) -> Size:
    height, width = shape
    return int(height), int(width)
