"""What a preflight compares: plain facts of data, model and training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
"""(height, width) in pixels."""

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """Something that a user should know before training.

    Args:
        level: ``"error"`` ends the run, ``"warning"`` and ``"info"`` are logged.
        text: What, where and the cure, in one line.
    """

    level: Level
    text: str


@dataclass(frozen=True)
class SampleFacts:
    """One sample at the end of its pipeline.

    Args:
        image: Size of the network's input; None where there are several views.
        label: Size of its label; None without.
        original: Size that the host gives the prediction, the file's.
        ids: The different labels, sorted.
        image_path: The image's file or virtual name.
        label_path: The label's file; empty where the label has none.
        loaded: Sizes of the image's file and of its label's; None where they weren't
            looked at.
    """

    image: Size | None
    label: Size | None
    original: Size | None = None
    ids: tuple[int, ...] = ()
    image_path: str = ""
    label_path: str = ""
    loaded: tuple[Size, Size] | None = None

    @property
    def place(self) -> str:
        """The file that a message about the label names."""
        return self.label_path or self.image_path


@dataclass(frozen=True)
class DataFacts:
    """One dataset: what it says of itself, and some of its samples.

    Args:
        key: Where the config names it.
        role: ``"source"``, ``"target"``, ``"val"`` or ``"test"``.
        type: Its class's name.
        classes: Its class names; empty where it names none.
        benchmark: Whether the classes are those that its dataset class fixes, of
            which a small copy may lack some.
        length: Number of images.
        ignore_index: The label that no class has.
        same_size: Whether an image and its label have one size as files.
        labelled: Parts of it whose samples have labels that are no pseudo-labels.
        samples: Some samples, spread over the dataset.
        lost: What training doesn't read of an image among those looked at, in one
            line with its file; None where it reads all.
    """

    key: str
    role: str
    type: str = ""
    classes: tuple[str, ...] = ()
    benchmark: bool = False
    length: int = 0
    ignore_index: int | None = None
    same_size: bool = True
    labelled: tuple[str, ...] = ()
    samples: tuple[SampleFacts, ...] = ()
    lost: str | None = None


@dataclass(frozen=True)
class ScheduleFacts:
    """A scheduler of the learning rate that ends.

    Args:
        key: Where the config names it.
        type: Its class's name.
        end: The iteration at which it ends.
        final: The rate at the training's last iteration; None where unknown.
        planned: The rate at its own end; None where unknown.
    """

    key: str
    type: str
    end: int
    final: float | None = None
    planned: float | None = None


@dataclass(frozen=True)
class TrainingFacts:
    """How positions of the training data are handed out.

    Args:
        pairs: Whether the data is a ``DomainPairDataset``.
        target_labels: What the target's labels may be: its option of that name.
        loop: The loop's class name.
        by_epoch: Whether the loop counts epochs.
        sampler: The sampler's class name.
        shuffle: Whether the sampler shuffles.
        max_iters: Iterations; None where the loop has no such number.
        schedules: Schedulers of the learning rate.
        starts: (config key, first iteration) of what starts later than the training.
    """

    pairs: bool = False
    target_labels: str = "pseudo"
    loop: str = ""
    by_epoch: bool = False
    sampler: str = ""
    shuffle: bool = False
    max_iters: int | None = None
    schedules: tuple[ScheduleFacts, ...] = ()
    starts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class LoadedFacts:
    """A checkpoint whose head a segmentor has.

    Args:
        name: What to call it.
        classes: Class names that it says; none if it says none.
    """

    name: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that a preflight compares.

    Args:
        data: The datasets.
        num_classes: Number of classes by the config key of the part that has one.
        training: How training goes; None in a test.
        loaded: Whose head the model has; None of a model that begins anew.
    """

    data: tuple[DataFacts, ...] = ()
    num_classes: tuple[tuple[str, int], ...] = ()
    training: TrainingFacts | None = None
    loaded: LoadedFacts | None = None
