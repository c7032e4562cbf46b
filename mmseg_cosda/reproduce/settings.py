"""What a table is about, and what a line of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmseg_cosda.errors import UserError

PAPER_TASKS = ("gta2cs", "synthia2cs")
TASKS = (*PAPER_TASKS, "synthia2cs_19way", "demo", "torcs2camvid")
SMALL = ("demo", "torcs2camvid")
STAGED = ("torcs2camvid",)
"""The tasks whose trainings come in two stages: source-only first, then each row from
the last model of its own seed."""
PAPER_NETS = ("deeplabv2", "fcn8s")
NETS = (*PAPER_NETS, "daformer")
NET_TASKS: Mapping[str, tuple[str, ...]] = {
    "deeplabv2": TASKS,
    "fcn8s": PAPER_TASKS,
    "daformer": (*PAPER_TASKS, "synthia2cs_19way"),
}
"""The tasks that each net has configs of."""
ONLY_LABELS = "only-ssl"
COSINE = "model.alignments.cosine"
SOURCE = "train_dataloader.dataset.source"
TRANSLATED: Mapping[str, Any] = {
    f"{SOURCE}.data_prefix.img_path": "images_translated",
    f"{SOURCE}.same_size": False,
}
"""Config values that read the translated source images, which have another size,
beside the original labels."""


@dataclass(frozen=True)
class Setting:
    """A task and a network: what a table is about.

    Args:
        task: One of :data:`TASKS`.
        net: One of :data:`NETS`.
        translated: Whether the source images are those translated into the
            target's style, the paper's exact setting; by default the originals.

    Raises:
        UserError: If there is no such combination.

    Examples:
        >>> Setting("synthia2cs", "fcn8s", translated=True).name
        'synthia2cs_translated_fcn8s'
    """

    task: str
    net: str = "deeplabv2"
    translated: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS or self.net not in NETS:
            raise UserError(
                f"--task {self.task} --net {self.net}: tasks are {', '.join(TASKS)}, "
                f"nets {', '.join(NETS)}"
            )
        if self.task not in NET_TASKS[self.net]:
            raise UserError(
                f"--net {self.net} is for {', '.join(NET_TASKS[self.net])} alone"
            )
        if self.translated and (
            self.task not in PAPER_TASKS or self.net not in PAPER_NETS
        ):
            raise UserError(
                f"--translated is for {' and '.join(PAPER_TASKS)} with "
                f"{' and '.join(PAPER_NETS)}: {self.stem} has no translated source "
                "images"
            )

    @property
    def stem(self) -> str:
        """The part of config names that all rows share."""
        return f"{self.net}_{self.task}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Config values of all rows, by dotted key."""
        return TRANSLATED if self.translated else {}

    @property
    def name(self) -> str:
        """The folder of its results; DeepLabV2 goes without saying."""
        name = self.task + "_translated" * self.translated
        return name if self.net == "deeplabv2" else f"{name}_{self.net}"

    @property
    def metric(self) -> str:
        """The headline metric, as it is published for the task and the net."""
        if not self.task.startswith("synthia2cs"):
            return "mIoU"
        paper = self.task == "synthia2cs" and self.net == "deeplabv2"
        return "mIoU13" if paper else "mIoU16"


@dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Args:
        name: Short name, of files and of ``--rows``.
        title: What the table calls it.
        folder: Folder of its config below ``configs/``.
        suffix: End of its config's name.
        pseudo_labels: Whether it trains on pseudo-labels.
        options: Config values beside the config, by dotted key.
        by_task: Those that name a task's data, by task.
        nets: The networks that it has configs of.
        tasks: The tasks that it has configs of; None for all.
        start: On the tasks of :data:`STAGED`, the row whose last model of the same
            seed it begins with; None for the weights of its config.
        base: The row that it adds something to; of pseudo-labels alone by default
            where it trains on some.
        labels_from: The row whose model makes its pseudo-labels; None for that of the
            whole table.
        average: Rows of the mean of whose last models its model consists, each of the
            same seed; nothing is trained then.
    """

    name: str
    title: str
    folder: str
    suffix: str = ""
    pseudo_labels: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    nets: tuple[str, ...] = PAPER_NETS
    tasks: tuple[str, ...] | None = None
    start: str | None = "source-only"
    base: str | None = None
    labels_from: str | None = None
    average: tuple[str, ...] = ()

    @property
    def added_to(self) -> str | None:
        """The row that it adds something to, None for none."""
        labels = self.pseudo_labels and self.name != ONLY_LABELS
        return self.base or (ONLY_LABELS if labels else None)

    def is_for(self, setting: Setting) -> bool:
        """Return whether it has a config of a task and a network."""
        task = self.tasks is None or setting.task in self.tasks
        return task and setting.net in self.nets

    def config(self, setting: Setting) -> str:
        """Return its config, relative to ``configs/``."""
        return f"{self.folder}/{setting.stem}{self.suffix}.py"

    def values(self, setting: Setting) -> Mapping[str, Any]:
        """Return what it changes in its config, by dotted key."""
        return {**self.options, **self.by_task.get(setting.task, {})}
