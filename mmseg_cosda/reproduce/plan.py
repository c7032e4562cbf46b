"""The commands that a table's runs consist of, and where they leave their files."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_cosda.commands import command
from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.options import is_concerned, method_parts, training_length
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import STAGED, Setting, TableRow
from mmseg_cosda.work_dir import last_checkpoint

LABEL_KEY = "train_dataloader.dataset.target.pseudo_label_dir"
START_KEY = "load_from"
TEACHERS = {
    "deeplabv2_gta2cs": "advent-no-pl",
    "deeplabv2_synthia2cs": "advent-no-pl",
    "deeplabv2_synthia2cs_19way": "advent-no-pl",
    "fcn8s_gta2cs": "adversarial-no-pl",
    "fcn8s_synthia2cs": "adversarial-no-pl",
}
"""Whose pseudo-labels the paper takes: AdvEnt's (DeepLabV2) and BDL's (FCN-8s), which
is adversarial; source-only's on the small tasks."""


def teacher_name(setting: Setting) -> str:
    """Return the row whose model makes a setting's pseudo-labels by default."""
    return TEACHERS.get(f"{setting.net}_{setting.task}", "source-only")


@dataclass(frozen=True)
class Run:
    """A row trained with a seed."""

    row: TableRow
    seed: int

    def __str__(self) -> str:
        return f"{self.row.name} seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """Where everything is, and what holds for all runs.

    Args:
        setting: Task and network.
        configs: The folder ``configs/``.
        tools: The folder ``tools/``; None for ``python -m mmseg_cosda NAME``.
        work_root: Folder of the trainings.
        result_root: Folder of the results.
        options: ``key=value`` config values for every run; those of an alignment
            (``model.alignments.cosine.loss_weight=1``), a phase or the teacher for the
            rows that have it.
        teacher: Row whose model, after its last iteration, makes the pseudo-labels of
            the rows that don't name another.
        teacher_seed: Its seed; None for the seed of the run that uses them.
        pseudo_labels: A folder of finished pseudo-labels instead.
    """

    setting: Setting
    configs: Path
    tools: Path | None
    work_root: Path
    result_root: Path
    options: tuple[str, ...] = ()
    teacher: str = "source-only"
    teacher_seed: int | None = 0
    pseudo_labels: Path | None = None

    def __post_init__(self) -> None:
        row = ROWS.get(self.teacher)
        if row is None or row.pseudo_labels:
            free = [name for name, row in ROWS.items() if not row.pseudo_labels]
            raise UserError(
                f"--pseudo-labels-from {self.teacher}: choose a row that needs none "
                f"itself, one of {', '.join(free)}"
            )
        if self.pseudo_labels is not None and not self.pseudo_labels.is_dir():
            raise UserError(f"--pseudo-labels {self.pseudo_labels} is no folder")

    def config(self, run: Run) -> Path:
        """Return the run's config."""
        return self.configs / run.row.config(self.setting)

    def work_dir(self, run: Run) -> Path:
        """Return the run's work folder, WORK/{task}/{row}/seed{S}."""
        return self.work_root / self.setting.name / run.row.name / f"seed{run.seed}"

    def result(self, run: Run) -> Path:
        """Return the run's result file."""
        folder = self.result_root / self.setting.name
        return folder / f"{run.row.name}_seed{run.seed}.json"

    def teacher_of(self, run: Run) -> Run | None:
        """Return the run whose pseudo-labels a run trains on, None for none."""
        if not run.row.pseudo_labels or self.pseudo_labels is not None:
            return None
        seed = run.seed if self.teacher_seed is None else self.teacher_seed
        return Run(ROWS[run.row.labels_from or self.teacher], seed)

    def start_of(self, run: Run) -> Run | None:
        """Return the run whose last model a run begins with, None for none."""
        if self.setting.task not in STAGED or run.row.start is None:
            return None
        return Run(ROWS[run.row.start], run.seed)

    def averaged(self, run: Run) -> list[Run]:
        """Return the runs of whose last models a run's is the mean."""
        return [Run(ROWS[name], run.seed) for name in run.row.average]

    def needed_by(self, run: Run) -> list[Run]:
        """Return the runs whose last models a run needs."""
        needed = (self.teacher_of(run), self.start_of(run), *self.averaged(run))
        return list(dict.fromkeys(each for each in needed if each is not None))

    def length(self, run: Run) -> int:
        """Return the iterations of a run."""
        return training_length(self.config(run), tuple(self.own_options(run)))

    def checkpoint(self, run: Run) -> Path:
        """Return the checkpoint of a run's last iteration, or its mean of others."""
        name = "mean" if run.row.average else f"iter_{self.length(run)}"
        return self.work_dir(run) / f"{name}.pth"

    def label_dir(self, run: Run) -> Path | None:
        """Return the folder of a run's pseudo-labels, None if it needs none."""
        if not run.row.pseudo_labels:
            return None
        teacher = self.teacher_of(run)
        if teacher is None:
            return self.pseudo_labels
        name = f"{teacher.row.name}_seed{teacher.seed}"
        return self.work_root / self.setting.name / "pseudo_labels" / name

    def own_options(self, run: Run) -> list[str]:
        """Return what the run changes in its config, without the folders."""
        parts = method_parts(self.config(run))
        shared = [text for text in self.options if is_concerned(text, parts)]
        task = [f"{key}={value}" for key, value in self.setting.options.items()]
        seed = f"randomness.seed={run.seed}"
        return [seed, *task, *shared, *self.row_options(run)]

    def row_options(self, run: Run) -> list[str]:
        """Return those of a run's options that are its row's."""
        values = run.row.values(self.setting)
        return [f"{key}={value}" for key, value in values.items()]

    def labels_of(self, run: Run) -> str | None:
        """Say whose pseudo-labels a run trains on, None for none."""
        teacher, folder = self.teacher_of(run), self.label_dir(run)
        if teacher is not None:
            return str(teacher)
        return folder.name if folder is not None else None

    def train_options(self, run: Run) -> list[str]:
        """Return all config values of the run's command."""
        options = self.own_options(run)
        labels, start = self.label_dir(run), self.start_of(run)
        if labels is not None:
            options.append(f"{LABEL_KEY}={labels}")
        if start is not None:
            options.append(f"{START_KEY}={self.checkpoint(start)}")
        return options

    def train_command(self, run: Run) -> list[str]:
        """Return the command that trains a run, or goes on with it, or averages others.

        With ``--resume`` and nothing to go on from, ``load_from`` would be what to go
        on from.
        """
        folder = self.work_dir(run)
        if run.row.average:
            others = [str(self.checkpoint(each)) for each in self.averaged(run)]
            out = str(self.checkpoint(run))
            return [*self._tool("average_checkpoints"), *others, "--out", out]
        fresh = self.start_of(run) is not None and last_checkpoint(folder) is None
        return [
            *self._tool("train"),
            str(self.config(run)),
            *("--work-dir", str(folder), *([] if fresh else ["--resume"])),
            *("--cfg-options", *self.train_options(run)),
        ]

    def evaluate_command(self, run: Run, step: int) -> list[str]:
        """Return the command that evaluates a run's checkpoint of a step."""
        folder = self.work_dir(run)
        name = "mean" if run.row.average else f"iter_{step}"
        return [
            *self._tool("test"),
            *(str(self.config(run)), str(folder / f"{name}.pth")),
            *("--work-dir", str(folder / f"evaluated/iter_{step}")),
            *("--cfg-options", *self.train_options(run)),
        ]

    def label_command(self, teacher: Run, folder: Path) -> list[str]:
        """Return the command that makes pseudo-labels with a run's last model."""
        command = [
            *self._tool("generate_pseudo_labels"),
            *(str(self.config(teacher)), str(self.checkpoint(teacher))),
            *("--out", str(folder)),
        ]
        options = self.own_options(teacher)
        return [*command, "--cfg-options", *options]

    def shown_command(self, run: Run) -> str:
        """Return a run's command as it is published: without this machine's folders."""
        if run.row.average:
            count = len(run.row.average)
            words = [*["CHECKPOINT"] * count, "--out", "mean.pth"]
            return f"{command('average_checkpoints')} {shlex.join(words)}"
        config = f"configs/{run.row.config(self.setting)}"
        options = self.own_options(run)
        if run.row.pseudo_labels:
            options.append(f"{LABEL_KEY}=DIR")
        if self.start_of(run) is not None:
            options.append(f"{START_KEY}=CHECKPOINT")
        return f"{command('train')} {shlex.join([config, '--cfg-options', *options])}"

    def _tool(self, name: str) -> list[str]:
        if self.tools is None:
            return [sys.executable, "-m", "mmseg_cosda", name]
        return [sys.executable, str(self.tools / f"{name}.py")]


def with_needed(plan: Plan, runs: Sequence[Run]) -> list[Run]:
    """Put the runs whose models others need before those that still need them.

    Args:
        plan: Where everything is.
        runs: The runs of a table, perhaps with repeats.

    Returns:
        Every run once, those that others begin with or take pseudo-labels of first;
        none is needed for runs that have a result, unless another needs their model
        and it isn't here.
    """
    first: dict[Run, None] = {}

    def add_needed(run: Run) -> None:
        for needed in plan.needed_by(run):
            done = plan.result(needed).is_file() and plan.checkpoint(needed).is_file()
            if needed not in first and not done:
                add_needed(needed)
            first[needed] = None

    for run in runs:
        if not plan.result(run).is_file():
            add_needed(run)
    return list(dict.fromkeys([*first, *runs]))
