"""What a dataset tells the reader of its labels about their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.datasets.id_maps import IdMapOption, parse_id_map
from mmseg_cosda.datasets.label_maps import ID_MAPS, IGNORE_INDEX
from mmseg_cosda.errors import UserError

ORIENTATIONS = ("stored", "shown")


class LabelFacts:
    """The options of a dataset that describe its files, checked.

    Args:
        id_map: Classes by id or color, see ``id_maps.parse_id_map``; None for the
            dataset's own format.
        orientation: How images whose EXIF orientation turns them were labelled, see
            ``exif.check_orientation``.
        owner: The dataset's type, for errors.

    Raises:
        ValueError: For another orientation, or an ``id_map`` that is no table.
    """

    def __init__(
        self, id_map: IdMapOption | None, orientation: str | None, owner: str
    ) -> None:
        self.owner = owner
        self.id_map = id_map
        self.orientation = check_orientation(orientation, owner)
        if id_map is not None and id_map != "palette":
            parse_id_map(id_map, owner=self.owner)

    def entry(
        self,
        metainfo: Mapping[str, Any],
        own_metainfo: Mapping[str, Any],
        ignore_index: int = IGNORE_INDEX,
        same_size: bool = True,
    ) -> dict[str, Any]:
        """Return what every labelled entry of the dataset carries.

        Args:
            metainfo: The dataset's, with the classes that are trained.
            own_metainfo: The class's own, before a choice of classes.
            ignore_index: The label of ignored pixels.
            same_size: Whether an image and its label have the same size.

        Returns:
            What differs from the defaults of ``label_reader.LabelReader``.

        Raises:
            ValueError: If ``id_map`` names a class that the dataset doesn't have.
        """
        facts: dict[str, Any] = {}
        classes = metainfo.get("classes")
        if classes:
            facts["num_classes"] = len(classes)
        if ignore_index != IGNORE_INDEX:
            facts["ignore_index"] = ignore_index
        if not same_size:
            facts["same_size"] = False
        if self.id_map is not None:
            own_classes = own_metainfo.get("classes") or classes
            palette = own_metainfo.get("palette") or metainfo.get("palette")
            table = parse_id_map(self.id_map, palette, self.owner)
            highest = max(table.train_ids.values(), default=0)
            named = isinstance(self.id_map, str) and self.id_map in ID_MAPS
            if own_classes and not named:
                self._check_classes(highest, own_classes)
            facts["id_map"] = self.id_map
            if self.id_map == "palette":
                facts["id_map"] = [tuple(color) for color in palette or ()]
        return facts

    def _check_classes(self, highest: int, classes: Sequence[str]) -> None:
        if highest >= len(classes):
            raise UserError(
                f"id_map of {self.owner}: names class {highest}, but metainfo has the "
                f"{len(classes)} classes {list(classes)} (0 to {len(classes) - 1}); "
                "255 or None ignores an id"
            )


def check_orientation(orientation: str | None, owner: str) -> str | None:
    """Return the option ``orientation``.

    Args:
        orientation: ``"stored"``, ``"shown"`` or None.
        owner: Whose option it is, for the error.

    Returns:
        The same.

    Raises:
        ValueError: For anything else.
    """
    if orientation is not None and orientation not in ORIENTATIONS:
        raise UserError(
            f'orientation={orientation!r} of {owner}: must be "stored" (labels fit the '
            'pixels as the file stores them), "shown" (labels fit the picture as '
            "viewers turn it) or None"
        )
    return orientation


def check_palette(
    metainfo: Mapping[str, Any] | None, own_metainfo: Mapping[str, Any], owner: str
) -> None:
    """Refuse a choice of classes whose palette is still another's.

    Args:
        metainfo: As the config has it.
        own_metainfo: The dataset class's own.
        owner: The dataset's type, for the error.

    Raises:
        ValueError: If classes and palette differ in number and the dataset doesn't
            know by name which colors are meant.
    """
    classes = (metainfo or {}).get("classes")
    palette = (metainfo or {}).get("palette")
    if own_metainfo.get("classes") or not classes or not palette:
        return
    if isinstance(classes, str) or len(classes) == len(palette):
        return
    raise UserError(
        f"metainfo of {owner}: {len(classes)} classes {list(classes)}, but "
        f"{len(palette)} colors in palette; the position of a name is its id in the "
        "label files: for other ids, fewer or merged classes say which id is which "
        "class, id_map={2: 0, 0: 1}, and give palette one color per class"
    )


def label_of(sample: Any) -> Any | None:
    """Return the label of a sample, packed or not: (H, W) ids, or None."""
    if not isinstance(sample, Mapping):
        return None
    packed = sample.get("data_samples")
    if packed is None:
        return sample.get("gt_seg_map")
    if isinstance(packed, list | tuple):  # the views of test-time augmentation
        packed = packed[0]
    if "gt_sem_seg" not in packed:
        return None
    return packed.gt_sem_seg.data.squeeze(0).numpy()


def require_label(sample: Any, key: str) -> None:
    """Refuse a sample that would be trained on without a label.

    Transforms let samples without a label pass, as inference needs it.

    Args:
        sample: What a pipeline that ends in the host's ``PackSegInputs`` made.
        key: Where the config names the dataset.

    Raises:
        ValueError: With the image and the cure.
    """
    packed = sample.get("data_samples") if isinstance(sample, Mapping) else None
    if packed is None or "gt_sem_seg" in packed:
        return
    raise UserError(
        f"{packed.get('img_path')} has no label file: {key} is trained with labels; "
        "give it a data_prefix with seg_map_path, and a pipeline that loads labels "
        '(dict(type="LoadAnnotations"))'
    )
