"""Rendered street scenes in two domains: nothing to download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.demo.street import (
    DEMO_CLASSES,
    DEMO_PALETTE,
    DOMAINS,
    SPLITS,
    DemoStreet,
)
from mmseg_cosda.datasets.demo_files import demo_folder
from mmseg_cosda.datasets.transforms.demo_street import LoadDemoStreet

SMALLEST = 32
"""Least width and height in pixels."""


@DATASETS.register_module()
class DemoStreetsDataset(BaseSegDataset):
    """Labelled street scenes, rendered on the fly in two domains.

    The source looks like a clean game: flat saturated colors and a high camera.
    The target looks like a worn camera behind a windscreen in a hazy evening: another
    palette, textures, haze with depth, low contrast, warm light, vignetting,
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
        'demo-streets://256x128/seed0/gap1.0/source_train_00001.png'
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
            data_prefix={"img_path": demo_folder(self.image_size, seed, self.gap)},
            pipeline=list(pipeline),
            metainfo=metainfo,
            indices=indices,
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return one entry per image; its path is one of ``DemoStreetsBackend``."""
        streets = (
            DemoStreet(self.domain, self.split, i, self.image_size, self.seed, self.gap)
            for i in range(self.length)
        )
        return [
            {
                "img_path": f"{self.data_prefix['img_path']}/{street.name}",
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
