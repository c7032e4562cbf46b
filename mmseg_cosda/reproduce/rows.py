"""Rows of the paper's tables, and of those that it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
RATES = "optim_wrapper.paramwise_cfg.custom_keys"
LABELLED_TARGET: Mapping[str, Any] = {
    f"{SOURCE}.data_prefix.img_path": "target/train/images",
    f"{SOURCE}.data_prefix.seg_map_path": "target/train/labels",
}
"""Config values of torcs2camvid that train on the target's ground truth alone."""
BOTH_STAGES: Mapping[str, Any] = {
    "train_cfg.max_iters": 4000,
    "param_scheduler.0.end": 4000,
}
"""As long as both stages of torcs2camvid's other rows."""
OTHER_STREETS = 163
"""CamVid's training files before those of the sequence that validation is of."""
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


VARIANTS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("sum", "sum over the selected pairs, same weight", {"reduction": "sum"}),
    (
        "sum-scaled",
        "sum over the selected pairs, weight 1e-5",
        {"reduction": "sum", "loss_weight": 1e-5},
    ),
    (
        "sum-small",
        "sum over the selected pairs, weight 1e-6",
        {"reduction": "sum", "loss_weight": 1e-6},
    ),
    ("stronger", "weight 0.3", {"loss_weight": 0.3}),
    ("strong", "weight 1", {"loss_weight": 1.0}),
    (
        "sampled",
        "at most 50 features per class and image enqueued",
        {"enqueue_limit": 50},
    ),
    ("centered", "features centered", {"centering": True}),
    ("top-10", "the 10 most similar source features", {"top_k": 10}),
    ("confident", "target pixels of confidence 0.9", {"min_confidence": 0.9}),
    ("warm-up", "weight rises over 200 iterations", {"warmup_iters": 200}),
    ("repulsion", "repulsion from other classes", {"repulsion_weight": 0.1}),
    (
        "strong-repulsion",
        "weight and repulsion 1",
        {"loss_weight": 1.0, "repulsion_weight": 1.0},
    ),
    (
        "only-repulsion",
        "repulsion 1, nothing that attracts",
        {"loss_weight": 0.0, "repulsion_weight": 1.0},
    ),
)
"""Departures from the literal loss: a row's name, its title, options of
``ClassWiseCosineLoss``."""
LATER_METHODS: Sequence[tuple[str, str, tuple[str, ...], str | None]] = (
    ("dacs", "DACS", ("deeplabv2", "daformer"), None),
    ("daformer", "DAFormer's recipe", ("deeplabv2", "daformer"), "dacs"),
    ("mic", "MIC", ("deeplabv2", "daformer"), "daformer"),
    ("fda", "FDA, first round", ("deeplabv2",), None),
)
"""What came after the paper: a row's name, which is its folder too, its title, the
networks of its configs, what it adds to. Each has a row with the cosine loss on top."""
NO_DISTANCE: Mapping[str, Any] = {
    "model.alignments.imagenet": None,
    "model.reference": None,
}
"""Config values that leave the feature distance out of DAFormer's recipe."""
EQ_11 = "cosine-no-pl"
SECOND_ROUNDS: Sequence[tuple[str, str, str, str, Mapping[str, Any]]] = (
    (EQ_11, "eq. 11 again", "cosda", "_no-pl", {}),
    (
        ONLY_LABELS,
        "source-only's model, pseudo-labels of eq. 11's",
        "self_training",
        "",
        {"pseudo_labels": True, "start": "source-only"},
    ),
    (
        "cosine",
        "eq. 12, pseudo-labels of eq. 11's model",
        "cosda",
        "",
        {"pseudo_labels": True},
    ),
    ("dacs", "DACS", "dacs", "", {}),
    ("dacs-cosine", "DACS + cosine", "dacs", "_cosine", {}),
    ("mic", "MIC", "mic", "", {}),
    ("mic-cosine", "MIC + cosine", "mic", "_cosine", {}),
    (
        "mic-cosine-no-distance",
        "MIC + cosine, no feature distance",
        "mic",
        "_cosine",
        {"options": NO_DISTANCE},
    ),
)
"""Second rounds, which begin where eq. 11's first ended: the row of the first round, a
title, folder and suffix of the config, more values of the row."""
ON_DACS = ("strong", "confident", "repulsion")
"""Names of the :data:`VARIANTS` that DACS + cosine has rows of too."""
AVERAGES: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("mean-first", "mean of eq. 11 and DACS + cosine", (EQ_11, "dacs-cosine")),
    (
        "mean-second",
        "mean of eq. 12 and DACS + cosine, second rounds",
        ("cosine-second", "dacs-cosine-second"),
    ),
    (
        "mean-mic",
        "mean of eq. 12 and MIC + cosine, second rounds",
        ("cosine-second", "mic-cosine-second"),
    ),
)
"""Models that are the mean of others: a row's name, its title, the others' rows."""
BEST_MEAN = AVERAGES[-1][0]
THIRD_ROUNDS: Sequence[tuple[str, str, str, str]] = (
    (
        "only-ssl-third",
        "source-only's model, pseudo-labels of the mean with MIC + cosine",
        "self_training",
        "source-only",
    ),
    (
        "cosine-third",
        "eq. 12 from the mean with MIC + cosine, on its pseudo-labels",
        "cosda",
        BEST_MEAN,
    ),
)
"""Trainings on pseudo-labels of the best mean: a row's name, its title, the folder of
the config, the row whose last model it begins with."""
ROWS: Mapping[str, TableRow] = {
    row.name: row
    for row in (
        TableRow("source-only", "source only", "source_only", nets=NETS, start=None),
        TableRow(
            "source-only-continued",
            "source only, continued",
            "source_only",
            "_continued",
            tasks=STAGED,
        ),
        TableRow("target-bn", "source only, target in BN", "source_only", "_target-bn"),
        TableRow(
            "target-supervised",
            "supervised on the target",
            "source_only",
            start=None,
            by_task={
                "demo": {f"{SOURCE}.domain": "target"},
                "torcs2camvid": {**LABELLED_TARGET, **BOTH_STAGES},
            },
        ),
        TableRow(
            "target-other-streets",
            "supervised on the target's other streets",
            "source_only",
            tasks=STAGED,
            start=None,
            options={
                **LABELLED_TARGET,
                **BOTH_STAGES,
                f"{SOURCE}.indices": OTHER_STREETS,
            },
        ),
        TableRow(
            "target-classifier",
            "source-only's features, classifier supervised on the target",
            "source_only",
            "_continued",
            tasks=STAGED,
            options={
                **LABELLED_TARGET,
                f"{RATES}.backbone.lr_mult": 0.0,
                f"{RATES}.neck.lr_mult": 0.0,
            },
        ),
        TableRow(
            "few-labels",
            "source only, continued, with ten labelled target images",
            "source_only",
            "_few-labels",
            tasks=STAGED,
        ),
        TableRow(
            "other-streets-labels",
            "source only, continued, with the labels of the target's other streets",
            "source_only",
            "_few-labels",
            tasks=STAGED,
            options={"train_dataloader.dataset.target.indices": OTHER_STREETS},
        ),
        TableRow("adversarial-no-pl", "Adversarial", "adversarial", "_no-pl"),
        TableRow("advent-no-pl", "AdvEnt", "adversarial", "_advent_no-pl"),
        TableRow("cosine-no-pl", "Ours-(11)", "cosda", "_no-pl", nets=NETS),
        TableRow("cosine", "Ours (eq. 12)", "cosda", "", True),
        TableRow(
            "no-queue",
            "w/o Dictionary",
            "cosda",
            "",
            True,
            {f"{COSINE}.use_queue": False},
        ),
        TableRow(
            "no-class-split",
            "w/o Class-wise Split",
            "cosda",
            "",
            True,
            {f"{COSINE}.class_wise": False},
        ),
        TableRow(
            "with-adversarial",
            "with Adversarial",
            "cosda/ablations",
            "_with-adversarial",
            True,
        ),
        TableRow(ONLY_LABELS, "only SSL", "self_training", "", True),
        TableRow(
            "only-ssl-class-weights",
            "only SSL, class weights on pseudo-labels too",
            "self_training",
            "",
            True,
            {"model.phases.target.class_weight": True},
            base=ONLY_LABELS,
        ),
        TableRow("ssl-adversarial", "SSL with Adversarial", "adversarial", "", True),
        *(
            TableRow(
                name + ("" if labels else "-no-pl"),
                title + ("" if labels else ", eq. 11"),
                "cosda",
                "" if labels else "_no-pl",
                labels,
                {f"{COSINE}.{key}": value for key, value in options.items()},
            )
            for labels in (True, False)
            for name, title, options in VARIANTS
        ),
        TableRow(
            "cosine-online",
            "Ours (eq. 12), labels of a teacher",
            "cosda",
            "_online",
            nets=("deeplabv2",),
            base="only-ssl-online",
        ),
        TableRow(
            "only-ssl-online",
            "only SSL, labels of a teacher",
            "cosda",
            "_online",
            options={COSINE: None},
            nets=("deeplabv2",),
        ),
        *(
            TableRow(
                name + suffix.replace("_", "-"),
                title + ending,
                name,
                suffix,
                nets=nets,
                base=name if suffix else below,
            )
            for name, title, nets, below in LATER_METHODS
            for suffix, ending in (("", ""), ("_cosine", " + cosine"))
        ),
        TableRow(
            "dacs-cosine-target",
            "DACS + cosine on the target",
            "dacs",
            "_cosine-target",
            nets=("deeplabv2",),
            tasks=("torcs2camvid",),
            base="dacs",
        ),
        *(
            TableRow(
                f"dacs-cosine-{name}",
                f"DACS + cosine, {title}",
                "dacs",
                "_cosine",
                options={f"{COSINE}.{key}": value for key, value in options.items()},
                nets=("deeplabv2",),
                tasks=STAGED,
                base="dacs",
            )
            for name, title, options in VARIANTS
            if name in ON_DACS
        ),
        TableRow(
            "dacs-rare-classes",
            "DACS, rare classes",
            "daformer",
            options=NO_DISTANCE,
            nets=("deeplabv2",),
            tasks=("torcs2camvid",),
            base="dacs",
        ),
        TableRow(
            "dacs-feature-distance",
            "DACS, feature distance",
            "daformer",
            options={"train_dataloader.dataset.source_order": None},
            nets=("deeplabv2",),
            tasks=("torcs2camvid",),
            base="dacs",
        ),
        *(
            TableRow(
                f"{name}-second",
                f"{title}, second round",
                folder,
                suffix,
                tasks=STAGED,
                base=EQ_11,
                **{"start": EQ_11, "labels_from": EQ_11, **more},
            )
            for name, title, folder, suffix, more in SECOND_ROUNDS
        ),
        *(
            TableRow(
                name,
                title,
                "source_only",
                "_continued",
                tasks=STAGED,
                start=None,
                base=EQ_11,
                average=rows,
            )
            for name, title, rows in AVERAGES
        ),
        *(
            TableRow(
                name,
                f"{title}, third round",
                folder,
                pseudo_labels=True,
                tasks=STAGED,
                start=start,
                base=BEST_MEAN,
                labels_from=BEST_MEAN,
            )
            for name, title, folder, start in THIRD_ROUNDS
        ),
        TableRow(
            "no-class-split-strong",
            "w/o Class-wise Split, weight 1",
            "cosda",
            "",
            True,
            {f"{COSINE}.class_wise": False, f"{COSINE}.loss_weight": 1.0},
        ),
        TableRow(
            "no-target-split",
            "w/o split of the target alone",
            "cosda",
            "",
            True,
            {f"{COSINE}.split_target": False},
        ),
        TableRow(
            "no-target-split-no-pl",
            "w/o split of the target alone, eq. 11",
            "cosda",
            "_no-pl",
            False,
            {f"{COSINE}.split_target": False},
        ),
        TableRow(
            "no-queue-no-pl",
            "w/o Dictionary, eq. 11",
            "cosda",
            "_no-pl",
            False,
            {f"{COSINE}.use_queue": False},
        ),
        TableRow(
            "no-class-split-no-pl",
            "w/o Class-wise Split, eq. 11",
            "cosda",
            "_no-pl",
            False,
            {f"{COSINE}.class_wise": False},
        ),
    )
}
