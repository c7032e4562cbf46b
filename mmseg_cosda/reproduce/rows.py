"""Rows of the paper's tables, and of those that it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.settings import (
    COSINE,
    NETS,
    ONLY_LABELS,
    SOURCE,
    STAGED,
    TableRow,
)
from mmseg_cosda.reproduce.staged_rows import (
    BOTH_STAGES,
    LABELLED_TARGET,
    NO_DISTANCE,
    RATES,
    STAGED_ROWS,
)

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
ON_DACS = ("strong", "confident", "repulsion")
"""Names of the :data:`VARIANTS` that DACS + cosine has rows of too."""
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
        *STAGED_ROWS,
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
        TableRow(
            "only-ssl-features",
            "only SSL, classifier stays source-only's",
            "self_training",
            "",
            True,
            {f"{RATES}.decode_head.lr_mult": 0.0},
            tasks=STAGED,
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
        *(
            TableRow(
                f"{name}-cosine-target",
                f"{title} + cosine on the target",
                name,
                "_cosine-target",
                nets=("deeplabv2",),
                tasks=STAGED,
                base=name,
            )
            for name, title in (("dacs", "DACS"), ("mic", "MIC"))
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
            "all-pairs-no-pl",
            "no threshold, eq. 11",
            "cosda",
            "_no-pl",
            options={f"{COSINE}.taps.last.threshold": -1.0},
            tasks=STAGED,
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
