"""IoU per class and over named subsets of classes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image
from torch import Tensor

from mmseg_cosda.datasets.label_maps import CLASS_SUBSETS, IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label import pseudo_label_name
from mmseg_cosda.errors import UserError
from mmseg_cosda.evaluation.confusion import (
    check_confusion,
    confusion_matrix,
    write_confusion,
)
from mmseg_cosda.files import atomic_write, inside

ClassKeys = Sequence["int | str"]


@METRICS.register_module()
class SubsetIoUMetric(IoUMetric):
    """The host's ``IoUMetric`` that also returns per-class and subset values.

    IoU_c = TP_c / (TP_c + FP_c + FN_c) over all pixels of all images; the mean over
    a subset S of the classes is the mean of IoU_c over the c in S that occur in
    labels or predictions. Areas are summed in float64: the host's float32 sums lose
    whole pixels beyond 2^24.

    Returned beside the host's aAcc, mIoU and mAcc, in percent: ``IoU.<class>`` per
    class (NaN for a class that occurs nowhere) and one value per subset, under its
    name; all of them reach the logs. Classes that no label holds are named in a line
    of the log: a mean over the others says nothing of them.

    Predictions are written with the names of their images, those of nested folders
    with their folder (the host writes bare names, so that ``a/1.png`` and ``b/1.png``
    overwrite each other). ``PredictionNamesHook`` sets the folder of the images.

    Args:
        subsets: Name -> class ids or class names; or names of well-known subsets:
            ``"mIoU16"`` and ``"mIoU13"``, the classes of SYNTHIA -> Cityscapes with
            and without wall, fence and pole. Well-known subsets go by class names,
            so they are right for 19-way and for 16-way models. The protocols differ:
            with 19 classes ground-truth pixels of the absent three count as false
            positives of whatever they are taken for, with 16 they are ignored. None
            removes one.
        ignore_index: The label of pixels that are not evaluated.
        iou_metrics: ``"mIoU"``, and if wanted ``"mDice"``, ``"mFscore"``.
        nan_to_num: Replaces NaN before averaging, as in the host.
        beta: Weight of recall in the F-score.
        collect_device: ``"cpu"`` or ``"gpu"``, where ranks gather their results.
        output_dir: Folder for predictions as PNGs, or None.
        confusion: A CSV file that says which class is taken for which, or None: a line
            per class that labels hold, with the percentages of its pixels that are
            predicted as each class, and their number.
        format_only: Only write predictions, evaluate nothing; needs no labels.
        prefix: Prefix of the returned names.
        keep_results: Without effect; the host's ``test.py --out`` sets it.
        unused: Accepted as the host's metric accepts them, with a warning.

    Raises:
        ValueError: For an unknown, empty or repeating subset, ``format_only`` without a
            folder or with ``confusion``, a ``confusion`` that is no CSV file; at use,
            for a class that the dataset doesn't have, or an image without labels.

    Examples:
        >>> metric = SubsetIoUMetric(subsets=dict(vehicles=["car", "bus"]), prefix="x")
        >>> metric.subsets
        {'vehicles': ('car', 'bus')}
    """

    def __init__(
        self,
        subsets: Mapping[str, ClassKeys | None] | Sequence[str] | None = (),
        ignore_index: int = IGNORE_INDEX,
        iou_metrics: Sequence[str] = ("mIoU",),
        nan_to_num: int | None = None,
        beta: int = 1,
        collect_device: str = "cpu",
        output_dir: str | None = None,
        format_only: bool = False,
        prefix: str | None = None,
        confusion: str | None = None,
        keep_results: bool = False,
        **unused: Any,
    ) -> None:
        if unused:
            warnings.warn(
                f"SubsetIoUMetric doesn't know {sorted(unused)}: without effect",
                stacklevel=2,
            )
        if format_only and not output_dir:
            raise ValueError(
                "format_only=True of SubsetIoUMetric writes predictions and measures "
                "nothing: give it a folder, output_dir=DIR or test.py --out DIR"
            )
        check_confusion(confusion, format_only)
        if "mIoU" not in iou_metrics:
            raise ValueError(
                f"iou_metrics={list(iou_metrics)} of SubsetIoUMetric: must contain "
                "'mIoU', which the subsets are means of"
            )
        named = _named_subsets(subsets)
        # The host's makes output_dir: nothing is left of what is refused above.
        super().__init__(
            ignore_index=ignore_index,
            iou_metrics=list(iou_metrics),
            nan_to_num=nan_to_num,
            beta=beta,
            collect_device=collect_device,
            output_dir=output_dir,
            format_only=format_only,
            prefix=prefix,
        )
        self.confusion = confusion
        self.subsets = named
        self.image_roots: Sequence[str] = ()
        self._written: dict[str, str] = {}  # name of a prediction -> its image

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """Return an image's areas per class.

        Args:
            pred_label: (H, W) predicted classes.
            label: (H, W) ground truth.
            num_classes: C.
            ignore_index: The label of pixels that are not evaluated.

        Returns:
            Intersection, union, predicted and labelled area, each (C,) float64.
        """
        areas = IoUMetric.intersect_and_union(
            pred_label, label, num_classes, ignore_index
        )
        return tuple(area.double() for area in areas)

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Add a batch's areas; write its predictions if there is an ``output_dir``.

        Args:
            data_batch: What the loader yielded; not used.
            data_samples: The model's samples, as dicts.

        Raises:
            UserError: If an image has no labels, two images share a name, or a
                symbolic link leads a prediction out of ``output_dir``.
        """
        for sample in data_samples:
            predicted = sample["pred_sem_seg"]["data"]
            predicted = predicted.reshape(predicted.shape[-2:])
            if not self.format_only:
                self.results.append(self._areas(predicted, sample))
            if self.output_dir:
                self._write(predicted, sample)

    def _areas(self, predicted: Tensor, sample: Mapping[str, Any]) -> Any:
        if "gt_sem_seg" not in sample:
            raise UserError(
                f"{sample.get('img_path')} has no ground truth to measure against: "
                "name the labels in the dataset's data_prefix.seg_map_path, or write "
                "predictions alone with test_evaluator.format_only=True and --out DIR"
            )
        label = sample["gt_sem_seg"]["data"].to(predicted)
        label = label.reshape(label.shape[-2:])
        count = len(self.dataset_meta["classes"])
        areas = self.intersect_and_union(predicted, label, count, self.ignore_index)
        if self.confusion is None:
            return areas
        return (*areas, confusion_matrix(predicted, label, count, self.ignore_index))

    def _write(self, predicted: Tensor, sample: Mapping[str, Any]) -> None:
        path = str(sample["img_path"])
        name = pseudo_label_name(path, self.image_roots)
        if self._written.setdefault(name, path) != path:
            raise UserError(
                f"the predictions of {self._written[name]} and {path} would share the "
                f"file {name} in {self.output_dir}; rename one image, or give the "
                "dataset a data_prefix.img_path above both"
            )
        array = predicted.cpu().numpy()
        if sample.get("reduce_zero_label", False):
            array = array + 1  # as the files of such a dataset count
        with atomic_write(inside(str(self.output_dir), name)) as file:
            Image.fromarray(array.astype(np.uint8)).save(file, "png")

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Return the host's means, the per-class values and the subsets' means.

        Args:
            results: Per image the areas of :meth:`intersect_and_union`, and with
                ``confusion`` its :func:`confusion_matrix`.

        Returns:
            Percentages, rounded to two digits as the host's; nothing with
            ``format_only``.
        """
        self._written.clear()
        if self.format_only:
            print_log(f"predictions: {self.output_dir}", "current")
            return {}
        classes = tuple(self.dataset_meta["classes"])
        if self.confusion is not None:
            matrix = sum(counts for *_, counts in results)
            results = [areas for *areas, _ in results]
            write_confusion(self.confusion, classes, matrix)
        host = super().compute_metrics(results)
        metrics = {name: float(value) for name, value in host.items()}
        intersection, union, predicted, labelled = (
            sum(areas) for areas in zip(*results, strict=True)
        )
        iou = self.total_area_to_metrics(
            intersection, union, predicted, labelled, ["mIoU"], self.nan_to_num
        )["IoU"]
        for name, value in zip(classes, iou, strict=True):
            metrics[f"IoU.{name}"] = round(float(value) * 100, 2)
        absent = [n for n, area in zip(classes, labelled, strict=True) if area == 0]
        if absent:
            print_log(
                f"no label of these images holds {', '.join(absent)} ({len(absent)} of "
                f"{len(classes)} classes): the means say nothing of them",
                "current",
                logging.WARNING,
            )
        for name, keys in self.subsets.items():
            chosen = iou[[_class_id(key, classes, name) for key in keys]]
            mean = float("nan") if np.isnan(chosen).all() else np.nanmean(chosen)
            metrics[name] = round(float(mean) * 100, 2)
        return metrics


def _named_subsets(
    subsets: Mapping[str, ClassKeys | None] | Sequence[str] | None,
) -> dict[str, tuple[int | str, ...]]:
    subsets = () if subsets is None else subsets
    if not isinstance(subsets, Mapping):
        listed = isinstance(subsets, Sequence) and not isinstance(subsets, str)
        if not listed or any(name not in CLASS_SUBSETS for name in subsets):
            raise ValueError(
                f"subsets={subsets!r} of SubsetIoUMetric: well-known subsets are "
                f"{list(CLASS_SUBSETS)}; others are given as dict(name=[classes])"
            )
        subsets = {name: CLASS_SUBSETS[name] for name in subsets}
    kept = {name: keys for name, keys in subsets.items() if keys is not None}
    for name, keys in kept.items():
        if isinstance(keys, str) or not keys or len(set(keys)) != len(keys):
            raise ValueError(
                f"subsets[{name!r}]={keys!r} of SubsetIoUMetric: must be a list of "
                "different class ids or class names, with at least one"
            )
        if name in ("aAcc", "mIoU", "mAcc"):
            raise ValueError(
                f"subsets[{name!r}] of SubsetIoUMetric: the host returns a value of "
                "this name; choose another, e.g. 'mIoU16'"
            )
    return {name: tuple(keys) for name, keys in kept.items()}


def _class_id(key: int | str, classes: Sequence[str], subset: str) -> int:
    if isinstance(key, str) and key in classes:
        return classes.index(key)
    if isinstance(key, int) and 0 <= key < len(classes):
        return key
    raise ValueError(
        f"subsets[{subset!r}] of SubsetIoUMetric names the class {key!r}, which the "
        f"dataset doesn't have; its classes are {list(classes)}"
    )
