"""Rows of the tasks whose trainings come in stages: bounds, and round after round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.settings import ONLY_LABELS, SOURCE, STAGED, TableRow

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
NO_DISTANCE: Mapping[str, Any] = {
    "model.alignments.imagenet": None,
    "model.reference": None,
}
"""Config values that leave the feature distance out of DAFormer's recipe."""
CLASSES_BY_A_TEACHER: Mapping[str, Any] = {
    "model.teacher.type": "EMATeacher",
    "model.teacher.decay": 0.99,
    "model.teacher.weighting": "class_median",
    "model.teacher.quantile": 0.5,
    "model.teacher.cap": 0.9,
    "model.phases.target.align": False,
    "model.phases.plain.type": "TargetPhase",
    "model.phases.plain.labels": "teacher",
    "model.phases.plain.cross_entropy": False,
}
"""Config values by which eq. 12's cosine loss takes the classes of a teacher, as with
online pseudo-labels, while the cross-entropy keeps the files' labels."""
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
STAGED_ROWS = (
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
    TableRow(
        "cosine-teacher-classes",
        "Ours (eq. 12), a teacher's classes in the cosine loss alone",
        "cosda",
        "",
        True,
        CLASSES_BY_A_TEACHER,
        tasks=STAGED,
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
)
"""Rows that only these tasks have: labels of the target, then the rounds."""
