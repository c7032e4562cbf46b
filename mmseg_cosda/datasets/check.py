"""Reads every file that a config's datasets name and says what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.utils import track_progress_rich
from mmseg.registry import DATASETS

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.check_files import (
    NUM_LABELS,
    FileCheck,
    Problem,
    Size,
    check_files,
    check_sample,
)
from mmseg_cosda.datasets.folder import FolderSegDataset
from mmseg_cosda.datasets.image_files import picture_reader
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label import pseudo_label_name
from mmseg_cosda.datasets.pseudo_label_files import (
    FileRecord,
    other_classes,
    read_report,
)
from mmseg_cosda.datasets.transforms.raw_ids import RawIdsToTrainIds

LABEL_LOADERS = (RawIdsToTrainIds, LoadAnnotations)


@dataclass
class DatasetCheck:
    """What was found in one dataset of a config.

    Args:
        key: Where the config names it.
        type: Its registered name.
        classes: Its class names.
        num_images: Images that were read.
        problems: What is wrong.
        image_sizes: Images per (width, height).
        pixels: (256,) int64 pixels per label.
        images_with: (256,) int64 images that hold a label.
        excluded: Names that the config excludes already.
        benchmark: Whether its class fixes the class names, of which a part of the
            data set may lack some.
    """

    key: str
    type: str
    classes: tuple[str, ...] = ()
    num_images: int = 0
    problems: list[Problem] = field(default_factory=list)
    image_sizes: Counter[Size] = field(default_factory=Counter)
    pixels: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(NUM_LABELS, np.int64)
    )
    images_with: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(NUM_LABELS, np.int64)
    )
    excluded: frozenset[str] = frozenset()
    benchmark: bool = False


def datasets_of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the datasets that a config names, by their place in it.

    Args:
        config: A config with ``{train,val,test}_dataloader``; domains and wrapped
            datasets are listed on their own, a dataset that occurs twice once.

    Returns:
        Config key -> dataset config.

    Examples:
        >>> pair = dict(type="DomainPairDataset", source=dict(type="A"),
        ...             target=dict(type="B"))
        >>> list(datasets_of(dict(train_dataloader=dict(dataset=pair))))
        ['train_dataloader.dataset.source', 'train_dataloader.dataset.target']
    """
    found: dict[str, dict[str, Any]] = {}

    def visit(key: str, dataset: Mapping[str, Any]) -> None:
        if dataset.get("type") == "DomainPairDataset":
            visit(f"{key}.source", dataset["source"])
            visit(f"{key}.target", dataset["target"])
        elif "datasets" in dataset:
            for i, part in enumerate(dataset["datasets"]):
                visit(f"{key}.datasets[{i}]", part)
        elif "dataset" in dataset and dataset.get("type") != "PseudoLabelDataset":
            visit(f"{key}.dataset", dataset["dataset"])
        elif dict(dataset) not in found.values():
            found[key] = dict(dataset)

    for split in ("train", "val", "test"):
        dataset = (config.get(f"{split}_dataloader") or {}).get("dataset")
        if dataset:
            visit(f"{split}_dataloader.dataset", dataset)
    return found


def check_dataset(
    key: str, config: dict[str, Any], workers: int = 1, progress: bool = True
) -> DatasetCheck:
    """Read every file of a dataset.

    Args:
        key: Where the config names it, for the report.
        config: The dataset's config.
        workers: Processes that read.
        progress: Whether to show a progress bar with the time left.

    Returns:
        What was found; a dataset that cannot be listed is a problem in it.
    """
    init_default_scope("mmseg")
    report = DatasetCheck(key, str(config.get("type")))
    check: Callable[[Any], FileCheck]
    tasks: list[Any]
    try:
        dataset, infos = _list_files(config, report)
        report.classes = tuple(dataset.metainfo.get("classes") or ())
        fixed = getattr(type(dataset), "METAINFO", {}).get("classes") or ()
        report.benchmark = set(report.classes) <= set(fixed)
        check, tasks = _file_check(dataset, report), list(infos)
        if picture_reader(dataset) is None:
            check, tasks = partial(check_sample, dataset), list(range(len(dataset)))
    except (ValueError, FileNotFoundError, TypeError, KeyError) as error:
        report.problems.append(Problem("unusable", None, f"{key}: {error}"))
        return report
    report.num_images = len(tasks)
    if progress and tasks:
        results = track_progress_rich(
            check, tasks, nproc=workers, chunksize=4, description=key
        )
    else:
        results = [check(task) for task in tasks]
    for result in results:
        _add(report, result)
    return report


def _list_files(
    config: dict[str, Any], report: DatasetCheck
) -> tuple[Any, list[dict[str, Any]]]:
    """Build a dataset and list its entries; what lacks a file goes to the report."""
    if config["type"] == "PseudoLabelDataset":
        return _list_pseudo_labels(config, report)
    dataset = DATASETS.build(dict(config, lazy_init=True))
    if not isinstance(dataset, FolderSegDataset):
        dataset.full_init()
        return dataset, [dataset.get_data_info(i) for i in range(len(dataset))]
    pairs = dataset.find_pairs()
    report.excluded = dataset.exclude
    root = dataset.data_root or "."
    for stem in (*pairs.without_label, *pairs.without_image):
        info = dataset.data_info(stem)
        has_image = stem in pairs.without_label
        lacking, other = ("label", "image") if has_image else ("image", "label")
        paths = {"image": info["img_path"], "label": info["seg_map_path"]}
        name = os.path.relpath(paths[other], root).replace(os.sep, "/")
        detail = f"{paths[lacking]}: no such {lacking} for {paths[other]}"
        report.problems.append(Problem("missing", name, detail))
    if not pairs.stems and not report.problems:
        dataset.full_init()  # raises its error about the empty folder
    return dataset, [dataset.data_info(stem) for stem in pairs.stems]


def _list_pseudo_labels(
    config: dict[str, Any], report: DatasetCheck
) -> tuple[Any, list[dict[str, Any]]]:
    dataset, infos = _list_files(dict(config["dataset"]), report)
    if picture_reader(dataset) is None:
        return DATASETS.build(config), []
    folder = str(config["pseudo_label_dir"])
    if not os.path.isdir(folder):
        detail = (
            f"{report.key}.pseudo_label_dir: the folder {folder!r} doesn't exist; "
            f"make it with `{command('generate_pseudo_labels')}`"
        )
        report.problems.append(Problem("unusable", None, detail))
        return dataset, infos
    root = str(dataset.data_prefix.get("img_path") or "")
    written = read_report(folder)
    other = written and other_classes(written.classes, dataset.metainfo["classes"])
    if other:
        detail = f"{report.key}.pseudo_label_dir={folder!r}: the pseudo-labels {other}"
        report.problems.append(Problem("disagreeing", None, detail))
    files = (written and written.files) or {}
    for info in infos:
        label = pseudo_label_name(info["img_path"], [root])
        info.update(seg_map_path=os.path.join(folder, label), label_map=None)
        info["pseudo_label"] = True
        if label in files:
            info["record"] = FileRecord.parse(files[label])
    dataset.same_size = False  # a pseudo-label has the network's input size
    return dataset, infos


def _transforms(dataset: Any) -> list[Any]:
    pipeline = getattr(dataset, "pipeline", None)
    return list(pipeline.transforms) if isinstance(pipeline, Compose) else []


def _file_check(dataset: Any, report: DatasetCheck) -> partial[FileCheck]:
    loaders = [t for t in _transforms(dataset) if isinstance(t, LABEL_LOADERS)]
    load_labels = loaders[0] if loaders else None
    if isinstance(load_labels, RawIdsToTrainIds):
        # "complete": a mapping lists what is wanted, not all ids.
        load_labels = RawIdsToTrainIds(id_map=load_labels.id_map, strict="complete")
    return partial(
        check_files,
        root=getattr(dataset, "data_root", None) or ".",
        num_classes=len(report.classes) or IGNORE_INDEX,
        same_size=getattr(dataset, "same_size", True),
        load_labels=load_labels,
        load_image=picture_reader(dataset),
    )


def _add(report: DatasetCheck, result: FileCheck) -> None:
    report.problems += result.problems
    if result.image_size is not None:
        report.image_sizes[result.image_size] += 1
    if result.counts is not None:
        report.pixels += result.counts[:NUM_LABELS]
        report.images_with += result.counts[:NUM_LABELS] > 0
