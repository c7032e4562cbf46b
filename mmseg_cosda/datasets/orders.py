"""Which sample of a dataset stands at a position of an endless stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmseg.registry import TASK_UTILS
from torch.utils.data import get_worker_info

from mmseg_cosda.datasets.class_counting import counted
from mmseg_cosda.datasets.class_counts import ClassCounts
from mmseg_cosda.datasets.label_facts import label_of
from mmseg_cosda.errors import UserError
from mmseg_cosda.option_checks import require_integers, require_numbers
from mmseg_cosda.randomness import derive_seed

MIN_SHARE = 3000 / (1914 * 1052)
"""DAFormer's 3000 pixels of a GTA5 label, as a share of it: 0.149 %."""

CROP_SHARE = 1500 / (1280 * 704)
"""DAFormer's 1500 pixels in a crop of a GTA5 image at 1280x704, as a share of that
image: 0.166 %. HRDA's 6000 at 2560x1407 is the same share."""


class Order(ABC):
    """Maps a position of an endless stream to an index of a finite dataset.

    A pure function of (seed, position), so that nothing has to be stored for an exact
    resume, and processes that share the positions share the stream.
    """

    attempts: int = 1
    """How often the sample of a position may be made, each time with another crop."""

    @abstractmethod
    def __getitem__(self, position: int) -> int:
        """Return the index of the sample at ``position``."""

    def prepare(self) -> None:
        """Get ready, in the main process, before samples are asked for."""
        return

    def accepts(self, position: int, sample: Any) -> bool:
        """Return whether a sample will do, or should be cropped again.

        Args:
            position: The sample's.
            sample: What the dataset's pipeline made of its image.
        """
        return True


class EpochPermutation(Order):
    """Each epoch of ``size`` positions is a permutation, a function of (seed, epoch).

    Args:
        size: Number of samples.
        seed: Non-negative integer.

    Examples:
        >>> order = EpochPermutation(3, seed=0)
        >>> sorted(order[i] for i in range(3)), sorted(order[i] for i in range(3, 6))
        ([0, 1, 2], [0, 1, 2])
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def __getitem__(self, position: int) -> int:
        """Return the index of the sample at ``position``."""
        epoch, offset = divmod(position, self.size)
        if epoch != self._epoch:
            generator = np.random.default_rng(derive_seed(self.seed, epoch))
            self._permutation = generator.permutation(self.size)
            self._epoch = epoch
        return int(self._permutation[offset])


def class_probabilities(
    pixels: npt.ArrayLike, temperature: float
) -> npt.NDArray[np.float64]:
    r"""Return how often each class is asked for: the rarer, the more often.

    .. math::
        P(c) = \frac{\exp((1 - f_c) / T)}{\sum_{c'} \exp((1 - f_{c'}) / T)}, \qquad
        f_c = \frac{n_c}{\sum_{c'} n_{c'}}

    with n_c pixels of class c in the whole dataset, over the classes that occur in it.

    Args:
        pixels: n, (C,), the ignored pixels left out.
        temperature: T, positive: the smaller, the more the rarest classes prevail.

    Returns:
        P, (C,), 0 for classes that don't occur.

    Source: "DAFormer: Improving Network Architectures and Training Strategies for
    Domain-Adaptive Semantic Segmentation", section 3.3.

    Examples:
        >>> class_probabilities([98, 1, 1, 0], temperature=0.5).round(3).tolist()
        [0.067, 0.466, 0.466, 0.0]
    """
    counts = np.asarray(pixels, dtype=np.float64)
    shares = np.where(counts > 0, counts / counts.sum(), inf)
    # f - min f in place of 1 - f: the same softmax, without overflow.
    weights = np.exp((shares.min() - shares) / temperature)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


@TASK_UTILS.register_module()
class RareClassOrder(Order):
    r"""Rare-class sampling: an image of a class that is drawn by its rarity.

    A class is drawn from P (:func:`class_probabilities`), then, uniformly, one of the
    images of which it has more than ``min_share``. The image is cropped again, up to
    ``tries`` times, until the crop shows more than ``crop_share`` of the class; the
    last crop is taken anyway. All of it is a function of (seed, position).

    The classes of a dataset's labels are counted once, as training loads them, see
    ``tools/count_classes.py``; any dataset with labels will do. A class of which no
    image has enough is drawn from all images that hold it, with any crop that shows
    it, and the log says so; the public code stops with an error.

    For ``DomainPairDataset(source_order=dict(type="RareClassOrder", ...))``, which
    adds ``dataset`` and ``seed``. Target images keep their permutation per epoch,
    where the public code draws them uniformly, with replacement.

    Args:
        dataset: The source dataset.
        seed: Non-negative integer.
        class_counts: File of the counts, made where it is missing. Default None:
            ``work_dirs/class_counts/TYPE_IDENTITY.json``.
        temperature: T of P. Default 0.01, DAFormer's.
        min_share: Share of a label's pixels that a class must exceed, in [0, 1).
            Default: DAFormer's 3000 pixels of 1914x1052, 0.149 %; of SYNTHIA's 1280x760
            they are 0.308 %.
        crop_share: The same for a crop, of the pixels of the whole image at the size
            at which it is cropped. Default: DAFormer's 1500 of 1280x704, 0.166 %;
            of SYNTHIA's 1280x760 0.154 %.
        tries: Crops at most after the first; 0 takes each as it comes. Default 10,
            DAFormer's. Each loads the image again; one that isn't cropped is made once.

    Raises:
        ValueError: If an option is out of range.
        UserError: By :meth:`prepare`, if no label holds a class, or as
            ``class_counting.counted`` says.

    Source: "DAFormer: Improving Network Architectures and Training Strategies for
    Domain-Adaptive Semantic Segmentation", section 3.3.
    """

    def __init__(
        self,
        dataset: Any,
        seed: int,
        class_counts: str | None = None,
        temperature: float = 0.01,
        min_share: float = MIN_SHARE,
        crop_share: float = CROP_SHARE,
        tries: int = 10,
    ) -> None:
        owner = "RareClassOrder"
        require_numbers(owner, 0, inf, temperature=temperature)
        require_numbers(owner, 0, 1, min_share=min_share, crop_share=crop_share)
        require_integers(owner, 0, tries=tries)
        if temperature == 0:
            raise ValueError(f"{owner}: temperature=0 must be positive, such as 0.01")
        self.dataset, self.seed, self.class_counts = dataset, seed, class_counts
        self.temperature = temperature
        self.min_share, self.crop_share = min_share, crop_share
        self.attempts = 1 + tries
        self.probabilities = np.zeros(0)  # P, (C,)
        self.images: list[npt.NDArray[np.int64]] = []  # of each class, indices
        self.scarce = np.zeros(0, np.int64)  # classes of which no image has enough
        self._least: list[float] = []  # share that a crop must exceed, of each class

    def prepare(self) -> None:
        """Read or count the classes, once."""
        if self.images:
            return
        if get_worker_info() is not None:
            raise UserError(
                "RareClassOrder: call full_init() of the DomainPairDataset before a "
                "DataLoader with workers reads it, as the Runner does"
            )
        counts = counted(self.dataset, self.class_counts)
        self.use(counts)
        if is_main_process():
            self._tell(counts)

    def use(self, counts: ClassCounts) -> None:
        """Draw by these counts.

        Args:
            counts: Of the dataset.

        Raises:
            UserError: If no label holds a class.
        """
        pixels = counts.pixels.sum(axis=0)
        if not pixels.any():
            raise UserError(
                "RareClassOrder: no label of the source holds anything but ignored "
                "pixels: check the ids of the label files and their id_map"
            )
        self.probabilities = class_probabilities(pixels, self.temperature)
        enough = counts.shares > self.min_share
        scarce = (pixels > 0) & ~enough.any(axis=0)
        self.scarce = np.flatnonzero(scarce)
        eligible = np.where(scarce, counts.pixels > 0, enough)
        self._least = np.where(scarce, 0.0, self.crop_share).tolist()
        self.images = [np.flatnonzero(column) for column in eligible.T]

    def class_at(self, position: int) -> int:
        """Return the class that is drawn at a position."""
        return self._draw(position)[0]

    def __getitem__(self, position: int) -> int:
        """Return the index of the sample at ``position``."""
        return self._draw(position)[1]

    def accepts(self, position: int, sample: Any) -> bool:
        """Return whether a crop shows enough of its class, or is all of its image.

        Args:
            position: The sample's.
            sample: What the dataset's pipeline made of its image.
        """
        label = label_of(sample)
        if label is None:
            return True
        whole = whole_pixels(sample, label.size)
        drawn = self.class_at(position)
        shown = int((label == drawn).sum())
        return label.size >= whole or shown / whole > self._least[drawn]

    def _draw(self, position: int) -> tuple[int, int]:
        self.prepare()
        generator = np.random.default_rng(derive_seed(self.seed, position))
        drawn = int(generator.choice(len(self.images), p=self.probabilities))
        return drawn, int(generator.choice(self.images[drawn]))

    def _tell(self, counts: ClassCounts) -> None:
        classes = counts.classes
        ranked = np.argsort(-self.probabilities, kind="stable")[:5]
        most = ", ".join(f"{classes[c]} {self.probabilities[c]:.3f}" for c in ranked)
        rest = ", ..." if len(classes) > len(ranked) else ""
        print_log(f"rare classes first: {most}{rest}", logger="current")
        few = ", ".join(f"{classes[c]} ({len(self.images[c])})" for c in self.scarce)
        if few:
            print_log(
                f"no image has more than {100 * self.min_share:.3g} % of {few}: drawn "
                "from all images that hold it, whose number is in parentheses",
                logger="current",
            )


def whole_pixels(sample: Any, default: int) -> int:
    """Return how many pixels a sample's image had when it was cropped.

    Args:
        sample: A packed sample, whose metainfo has ``ori_shape`` and, where it was
            resized, ``scale_factor``.
        default: What to return where the metainfo doesn't say.
    """
    packed = sample.get("data_samples") if isinstance(sample, dict) else None
    if isinstance(packed, list | tuple):
        packed = packed[0]
    meta = {} if packed is None else packed.metainfo
    if meta.get("ori_shape") is None:
        return default
    height, width = meta["ori_shape"][:2]
    across, down = np.broadcast_to(meta.get("scale_factor") or 1.0, 2)
    return round(float(width * across * height * down))
