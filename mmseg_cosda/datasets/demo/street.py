"""One image of the demo streets, a pure function of its name and options."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
"""RGB colors of :data:`DEMO_CLASSES`, those of Cityscapes."""

DOMAINS = ("source", "target")
SPLITS = ("train", "val")


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
