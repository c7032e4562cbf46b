"""Rendered street scenes in two domains: nothing to download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import DATASETS, TRANSFORMS

from mmseg_cosda.datasets.demo.canvas import UInt8
from mmseg_cosda.datasets.demo.look import Look
from mmseg_cosda.datasets.demo.scene import paint_street
from mmseg_cosda.datasets.demo.shade import label_map, picture
from mmseg_cosda.datasets.label_maps import CITYSCAPES_CLASSES, CITYSCAPES_PALETTE

DEMO_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "pole",
    "traffic sign",
    "vegetation",
    "sky",
    "person",
    "car",
    "bicycle",
)
"""Ten classes of Cityscapes in its order."""

DEMO_PALETTE = tuple(
    CITYSCAPES_PALETTE[CITYSCAPES_CLASSES.index(name)] for name in DEMO_CLASSES
)
"""RGB colours of :data:`DEMO_CLASSES`, those of Cityscapes."""

DOMAINS = ("source", "target")
SPLITS = ("train", "val")
SMALLEST = 32


@dataclass(frozen=True)
class DemoStreet:
    """What one image is a pure function of.

    Args:
        domain: ``"source"`` or ``"target"``.
        split: ``"train"`` or ``"val"``.
        index: Number of the image.
        image_size: (width, height) in pixels.
        seed: Seed of the dataset.
        gap: Strength of the target's look, 0 to 1.

    Examples:
        >>> street = DemoStreet("target", "val", 3)
        >>> street.name
        'target_val_00003.png'
        >>> image, labels = street.render()
        >>> image.shape, labels.shape, int(labels.max()) < len(DEMO_CLASSES)
        ((128, 256, 3), (128, 256), True)
    """

    domain: str
    split: str
    index: int
    image_size: tuple[int, int] = (256, 128)
    seed: int = 0
    gap: float = 1.0

    @property
    def name(self) -> str:
        """The virtual file name, after which a pseudo-label is named."""
        return f"{self.domain}_{self.split}_{self.index:05d}.png"

    def render(self) -> tuple[UInt8, UInt8]:
        """Return the (H, W, 3) BGR image and the (H, W) class ids, both uint8."""
        key = (DOMAINS.index(self.domain), SPLITS.index(self.split), self.index)
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        # Two streams, so that labels never depend on the look.
        layout_rng, look_rng = (np.random.default_rng(s) for s in sequence.spawn(2))
        look = Look(self.gap if self.domain == "target" else 0.0, look_rng)
        canvas = paint_street(self.domain, self.image_size, layout_rng, look)
        return picture(canvas, look, look_rng), label_map(canvas)


@TRANSFORMS.register_module()
class LoadDemoStreet(BaseTransform):
    """Render an image of ``DemoStreetsDataset``, in place of reading a file.

    Required keys: ``demo_street``, ``img_path``, ``seg_fields``. Added keys:
    ``img`` ((H, W, 3) BGR uint8), ``img_shape``, ``ori_shape`` and, with labels,
    ``gt_seg_map`` ((H, W) uint8).

    Args:
        with_labels: Whether to add the ground truth. Default True. False for an
            unlabelled target, and before ``LoadAnnotations`` for pseudo-labels.

    Raises:
        ValueError: At use, for samples of other datasets.

    Examples:
        >>> dataset = DemoStreetsDataset(domain="target", length=1, pipeline=[])
        >>> sorted(LoadDemoStreet(with_labels=False)(dataset[0]))
        ['demo_street', 'img', 'img_path', 'img_shape', 'label_map', 'ori_shape',
         'reduce_zero_label', 'sample_idx', 'seg_fields']
    """

    def __init__(self, with_labels: bool = True) -> None:
        self.with_labels = with_labels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add image and labels to a sample.

        Args:
            results: The sample.

        Returns:
            The same sample.

        Raises:
            ValueError: See the class.
        """
        if "demo_street" not in results:
            raise ValueError(
                f"{results.get('img_path')} is no image of DemoStreetsDataset: take "
                'dict(type="LoadImageFromFile") instead of LoadDemoStreet'
            )
        image, labels = results["demo_street"].render()
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        if self.with_labels:
            results["gt_seg_map"] = _mapped(labels, results.get("label_map"))
            results["seg_fields"].append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        return f"LoadDemoStreet(with_labels={self.with_labels})"


def _mapped(labels: UInt8, table: dict[int, int] | None) -> UInt8:
    """Return labels for a choice of classes, the host's ``label_map``."""
    if table is None:
        return labels
    return np.array([table[i] for i in range(len(DEMO_CLASSES))], np.uint8)[labels]


@DATASETS.register_module()
class DemoStreetsDataset(BaseSegDataset):
    """Labelled street scenes, rendered on the fly in two domains.

    The source looks like a clean game: flat saturated colours and a high camera.
    The target looks like a worn camera behind a windscreen in a hazy town: another
    palette, textures, haze with depth, low contrast, a colour cast, vignetting,
    blur, sensor noise, and other layout statistics. Both have the same ten classes.
    Image ``index`` is a pure function of (seed, domain, split, index), the same in
    every process; its layout and labels don't depend on ``gap``.

    Args:
        domain: ``"source"`` or ``"target"``.
        split: ``"train"`` or ``"val"``: other images of the same domain.
        length: Number of images. Default 400.
        image_size: (width, height) in pixels. Default (256, 128), which trains in
            minutes on a CPU.
        seed: Seed of all images. Default 0.
        gap: How far the target's look is from the source's, 0 (alike; the layout
            still differs) to 1 (default).
        pipeline: Transforms. Labels are loaded by
            ``LoadDemoStreet(with_labels=True)`` alone. Default None: that and
            ``PackSegInputs``.
        metainfo: A choice of classes, as for any dataset of the host.
        indices: The first n, or a list, of the images to take. Default None: all.
        test_mode: Passed to the host. Default False.
        lazy_init: Whether to list the images only when asked. Default False.

    Raises:
        ValueError: For an option out of its range.

    Examples:
        >>> dataset = DemoStreetsDataset(domain="source", length=2)
        >>> sample = dataset[1]
        >>> tuple(sample["inputs"].shape)
        (3, 128, 256)
        >>> sample["data_samples"].img_path
        'source_train_00001.png'
    """

    METAINFO = {"classes": DEMO_CLASSES, "palette": [list(rgb) for rgb in DEMO_PALETTE]}

    def __init__(
        self,
        domain: str,
        split: str = "train",
        length: int = 400,
        image_size: Sequence[int] = (256, 128),
        seed: int = 0,
        gap: float = 1.0,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] | None = None,
        metainfo: dict[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        _check_options(domain, split, length, image_size, seed, gap)
        self.domain = domain
        self.split = split
        self.length = length
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.gap = float(gap)
        if pipeline is None:
            pipeline = [LoadDemoStreet(), PackSegInputs()]
        super().__init__(
            pipeline=list(pipeline),
            metainfo=metainfo,
            indices=indices,
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one entry per image; no file is read or named."""
        streets = (
            DemoStreet(self.domain, self.split, i, self.image_size, self.seed, self.gap)
            for i in range(self.length)
        )
        return [
            {
                "img_path": street.name,
                "demo_street": street,
                "label_map": self.label_map,
                "reduce_zero_label": False,
                "seg_fields": [],
            }
            for street in streets
        ]


def _check_options(
    domain: str, split: str, length: int, size: Sequence[int], seed: int, gap: float
) -> None:
    def refuse(name: str, value: object, cure: str) -> None:
        raise ValueError(f"{name}={value!r} of DemoStreetsDataset: must be {cure}")

    def whole(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    if domain not in DOMAINS:
        refuse("domain", domain, f"one of {', '.join(DOMAINS)}")
    if split not in SPLITS:
        refuse("split", split, f"one of {', '.join(SPLITS)}")
    if not whole(length) or length < 1:
        refuse("length", length, "a positive number of images")
    if len(size) != 2 or not all(whole(n) and n >= SMALLEST for n in size):
        cure = f"(width, height), integers of at least {SMALLEST}, e.g. (256, 128)"
        refuse("image_size", size, cure)
    if not whole(seed) or seed < 0:
        refuse("seed", seed, "an integer of at least 0")
    if not isinstance(gap, (int, float)) or not 0.0 <= gap <= 1.0:
        refuse("gap", gap, "between 0 (the source's look) and 1")
