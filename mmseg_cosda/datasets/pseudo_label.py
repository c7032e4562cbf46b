"""A host dataset's images with pseudo-labels from a folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from mmcv.transforms import LoadAnnotations as HostLoadAnnotations
from mmcv.transforms import Resize as HostResize
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import Dataset

from mmseg_cosda.commands import command
from mmseg_cosda.datasets.class_order import some_names
from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label_files import (
    REPORT,
    LabelReport,
    find_changed,
    other_classes,
    read_report,
    stat_labels,
    told,
)
from mmseg_cosda.datasets.transforms.check_labels import CheckLabels
from mmseg_cosda.datasets.transforms.raw_ids import RawIdsToTrainIds
from mmseg_cosda.datasets.transforms.resize import ResizePIL, resize_pil
from mmseg_cosda.errors import UserError

CONFIG_KEY = "train_dataloader.dataset.target.pseudo_label_dir"


def pseudo_label_name(img_path: str, image_roots: Sequence[str] = ()) -> str:
    """Return the name of an image's pseudo-label, relative to its folder.

    Args:
        img_path: Path or virtual name of the image.
        image_roots: Folders of images; the sub-folders below one are kept.

    Returns:
        The image's name below its root (else its bare name), with suffix ".png".

    Examples:
        >>> pseudo_label_name("data/train/ulm/a_leftImg8bit.jpg", ["data/train"])
        'ulm/a_leftImg8bit.png'
        >>> pseudo_label_name("elsewhere/b.v2.png", ["data/train"])
        'b.v2.png'
    """
    name = os.path.basename(img_path)
    for root in image_roots:
        relative = os.path.relpath(img_path, root) if root else img_path
        if not (relative.startswith(os.pardir) or os.path.isabs(relative)):
            name = relative
            break
    return str(PurePosixPath(name.replace(os.sep, "/")).with_suffix(".png"))


def pseudo_label_names(dataset: Any) -> list[str]:
    """Return the pseudo-label names of all images of a host dataset, in order.

    Args:
        dataset: A host dataset, or mmengine's ``ConcatDataset`` and the like.

    Raises:
        ValueError: If two images would share a name.

    Examples:
        >>> from mmseg_cosda.datasets import DemoStreetsDataset
        >>> pseudo_label_names(DemoStreetsDataset(domain="target", length=1))
        ['target_train_00000.png']
    """
    roots = image_roots(dataset)
    owner: dict[str, str] = {}
    for index in range(len(dataset)):
        image = str(dataset.get_data_info(index)["img_path"])
        name = pseudo_label_name(image, roots)
        if name in owner:
            raise ValueError(
                f"images {owner[name]} and {image} would share the pseudo-label "
                f"{name}; rename one, or give the dataset a data_prefix.img_path "
                "above both"
            )
        owner[name] = image
    return list(owner)


def image_roots(dataset: Any) -> list[str]:
    """Return the image folders of a dataset and of those that it wraps.

    Args:
        dataset: A host dataset, or mmengine's ``ConcatDataset`` and the like.
    """
    parts = [*getattr(dataset, "datasets", ())]
    if hasattr(dataset, "dataset"):
        parts.append(dataset.dataset)
    roots = [root for part in parts for root in image_roots(part)]
    prefix = getattr(dataset, "data_prefix", None) or {}
    if "img_path" in prefix:
        roots.append(str(prefix["img_path"] or ""))
    return roots


class _FitPseudoLabel(CheckLabels):
    """Refuses a pseudo-label that is no map of trainIds; gives it its image's size.

    Pseudo-labels have the network's input size. A crop would cut another part out of
    them than out of an image of the file's size.

    Args:
        num_classes: Number of classes.
        ignore_index: The label of pixels without a pseudo-label.
        fit: Whether to resize to the image (nearest). False before a transform that
            resizes both to one size whatever they have, which loses less.
    """

    def __init__(self, num_classes: int, ignore_index: int, fit: bool) -> None:
        super().__init__(num_classes, ignore_index)
        self.fit = fit

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Check a sample's pseudo-label and resize it."""
        results = super().transform(results)
        image = results.get("img")
        if self.fit and image is not None:
            size = (image.shape[1], image.shape[0])
            results["gt_seg_map"] = resize_pil(
                results["gt_seg_map"], size, Image.Resampling.NEAREST
            )
        return results


def _resizes_to_one_size(transforms: Sequence[Any]) -> bool:
    """Return whether image and label get one size before anything else happens."""
    rest = [t for t in transforms if not isinstance(t, CheckLabels)]
    if not rest:
        return False
    if isinstance(rest[0], HostResize):
        return not rest[0].keep_ratio and rest[0].scale is not None
    return isinstance(rest[0], ResizePIL)


def _checked_pipeline(
    pipeline: Sequence[Any], num_classes: int, ignore_index: int
) -> Compose:
    """Insert the check behind the transform that loads labels."""
    transforms: list[Callable[..., Any]] = []
    given = list(Compose(copy.deepcopy(list(pipeline))).transforms)
    check = None
    for index, transform in enumerate(given, 1):
        transforms.append(transform)
        if not isinstance(transform, RawIdsToTrainIds | HostLoadAnnotations):
            continue
        id_map = getattr(transform, "id_map", None)
        if id_map not in (None, "train_ids"):
            raise ValueError(
                f"id_map={id_map!r} of {type(transform).__name__} in the pipeline "
                "of a PseudoLabelDataset: pseudo-labels hold trainIds already; "
                'take dict(type="LoadAnnotations") instead'
            )
        fit = not _resizes_to_one_size(given[index:])
        check = _FitPseudoLabel(num_classes, ignore_index, fit)
        transforms.append(check)
    if check is None:
        raise ValueError(
            "the pipeline of a PseudoLabelDataset never loads the pseudo-labels: "
            'add dict(type="LoadAnnotations") behind the loading of the image'
        )
    return Compose(transforms)


def _refused(changed: Sequence[str], total: int, report: LabelReport | None) -> str:
    """Say that files are empty or others than were written, and what to do."""
    anew = f"generate them anew (`{command('generate_pseudo_labels')} ... --overwrite`)"
    if report is None or report.files is None:
        return f"{told(changed)}, as a full disk leaves it: write it again, or {anew}"
    return (
        f"{len(changed)} of {total} pseudo-labels aren't those that {REPORT} speaks of "
        f"({told(changed)}): {anew}; if they were changed on purpose, remove {REPORT}, "
        "and the folder counts as made by hand"
    )


def _classes(dataset: Any) -> str:
    return some_names(dataset.dataset.metainfo["classes"])


@DATASETS.register_module()
class PseudoLabelDataset(Dataset[dict[str, Any]]):
    """Any host dataset's images with the pseudo-labels of a folder.

    The pseudo-label of an image is the PNG of its name below the dataset's image
    folder: ``.../train/ulm/x_leftImg8bit.png`` has
    ``pseudo_label_dir/ulm/x_leftImg8bit.png``. It holds trainIds and the ignore
    index, as ``tools/generate_pseudo_labels.py`` writes it. The wrapped dataset's
    own labels are never read, and what the pipeline says of their format
    (``reduce_zero_label``) isn't applied. A pseudo-label of another size than its
    image is resized to it (nearest) before any other transform.

    Of a folder with a ``report.json``, the classes must be the dataset's, in its order,
    and the files those that were written: which of them are looked at, and why a copied
    folder is never refused, says ``mmseg_cosda.datasets.pseudo_label_files``. A folder
    without one, made by hand, is taken as it is, and said so in a line.

    Args:
        dataset: The dataset or its config.
        pseudo_label_dir: Folder of the pseudo-labels.
        pipeline: Transforms, ``LoadAnnotations`` among them; default None takes
            the wrapped dataset's.
        lazy_init: Whether to list the images and look for their pseudo-labels
            only in :meth:`full_init`. Default False: at construction.

    Raises:
        FileNotFoundError: If an image has no pseudo-label.
        UserError: If the labels were made with other classes or another order of them,
            or files are empty, or aren't those that were written.
        ValueError: If the pipeline never loads labels, the dataset names no
            classes, or a pseudo-label has other ids (when it is loaded).
    """

    def __init__(
        self,
        dataset: dict[str, Any] | Dataset[Any],
        pseudo_label_dir: str | os.PathLike[str],
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] | None = None,
        lazy_init: bool = False,
    ) -> None:
        self.dataset: Any = dataset
        if isinstance(dataset, dict):
            self.dataset = DATASETS.build(dataset)
        self.pseudo_label_dir = os.fspath(pseudo_label_dir)
        classes = self.dataset.metainfo.get("classes")
        if not classes:
            raise ValueError(
                f"{type(self.dataset).__name__} under PseudoLabelDataset names no "
                "classes; give it metainfo=dict(classes=...)"
            )
        self.ignore_index: int = getattr(self.dataset, "ignore_index", IGNORE_INDEX)
        if pipeline is None:
            own = getattr(self.dataset, "pipeline", None)
            pipeline = own.transforms if own is not None else []
        self.pipeline = _checked_pipeline(pipeline, len(classes), self.ignore_index)
        self._names: list[str] | None = None
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """The wrapped dataset's meta information, without its label map."""
        metainfo = copy.deepcopy(dict(self.dataset.metainfo))
        metainfo.update(label_map=None, reduce_zero_label=False)
        return metainfo

    @property
    def names(self) -> list[str]:
        """Names of the pseudo-labels below their folder, in the images' order."""
        self.full_init()
        assert self._names is not None
        return self._names

    def full_init(self) -> None:
        """List the images and look for the pseudo-label of each.

        Raises:
            FileNotFoundError: If an image has none.
            UserError: If those that are there aren't this dataset's, or damaged.
        """
        if self._names is not None:
            return
        self.dataset.full_init()
        names = pseudo_label_names(self.dataset)
        self._check_files(names)
        self._names = names

    def _check_files(self, names: Sequence[str]) -> None:
        folder = self.pseudo_label_dir
        present = stat_labels(folder)
        normal = [os.path.normpath(name).replace(os.sep, "/") for name in names]
        missing = [name for name in normal if name not in present]
        if missing:
            raise FileNotFoundError(
                f"{len(missing)} of {len(names)} target images have no pseudo-label "
                f"in {CONFIG_KEY}={folder!r} (first: {missing[0]}). "
                f"Make them with `{command('generate_pseudo_labels')} CONFIG "
                f"CHECKPOINT --out {folder}`, or point "
                "pseudo_label_dir to their folder"
            )
        report = read_report(folder)
        files = None if report is None else report.files
        if report is not None:
            other = other_classes(report.classes, self.dataset.metainfo["classes"])
            if other is not None:
                raise UserError(f"{CONFIG_KEY}={folder!r}: the pseudo-labels {other}")
        changed = find_changed(folder, normal, present, files)
        if changed:
            raise UserError(
                f"{CONFIG_KEY}={folder!r}: {_refused(changed, len(names), report)}"
            )
        unknown = [n for n in normal if files is not None and n not in files]
        if report is None:
            line = f"no {REPORT}: taken as labels made by hand, of {_classes(self)}"
        elif files is None:
            line = f"{REPORT} is of an earlier version: the files aren't compared"
        elif unknown:
            line = f"{len(unknown)} labels aren't in {REPORT} (first: {unknown[0]})"
        else:
            return
        print_log(f"{CONFIG_KEY}={folder!r}: {line}", logger="current")

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return an image's record with its pseudo-label in place of its label."""
        info: dict[str, Any] = self.dataset.get_data_info(idx)
        info.update(
            seg_map_path=os.path.join(self.pseudo_label_dir, self.names[idx]),
            label_map=None,
            reduce_zero_label=False,
            seg_fields=[],
            id_map=None,
            pseudo_label=True,
        )
        return info

    def __getitem__(self, idx: int) -> Any:
        """Return the sample that the pipeline makes of an image."""
        return self.pipeline(self.get_data_info(idx))
