"""The preflight of a config, without a Runner: what the dataset checker adds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.check import DatasetCheck
from mmseg_cosda.datasets.check_files import Problem
from mmseg_cosda.preflight.facts import DataFacts, Facts, ScheduleFacts, TrainingFacts
from mmseg_cosda.preflight.networks import late_starts, one_channel
from mmseg_cosda.preflight.rules import compare
from mmseg_cosda.preflight.run import pair_facts
from mmseg_cosda.preflight.samples import data_facts
from mmseg_cosda.preflight.schedules import ENDLESS


def check_config(
    config: Mapping[str, Any], reports: Sequence[DatasetCheck]
) -> DatasetCheck:
    """Compare what a config's datasets, model and schedule must agree on.

    Args:
        config: The config.
        reports: What reading every file of its datasets has found.

    Returns:
        What is wrong with them together, as of one more dataset.
    """
    found = DatasetCheck("config", "datasets, model and schedule together")
    found.problems += _source_classes(reports)
    data, broken = _data(config)
    found.problems += [
        Problem("unusable", None, text) for text in broken if not _said(text, reports)
    ]
    model = config.get("model") or {}
    found.problems += [
        Problem("disagreeing", None, one_channel(key))
        for key, head in _heads(model)
        if 1 in (head.get("out_channels"), head.get("num_classes"))
    ]
    numbers = tuple(class_numbers_of(model))
    facts = Facts(tuple(data), numbers, training_facts_of(config))
    for finding in compare(facts, sampled=False):
        if finding.level == "info":
            continue
        kind = "disagreeing" if finding.level == "error" else "doubtful"
        found.problems.append(Problem(kind, None, finding.text))
    return found


def _said(text: str, reports: Iterable[DatasetCheck]) -> bool:
    """Return whether reading every file has told what a sample can't be made for."""
    key = text.partition(": ")[0].partition(".pseudo_label_dir=")[0]
    domain = key.endswith((".source", ".target"))
    return any(
        text in problem.detail
        or (report.key == key or (domain and report.key.startswith(f"{key}.")))
        for report in reports
        for problem in report.problems
    )


def _source_classes(reports: Iterable[DatasetCheck]) -> Iterator[Problem]:
    """Find classes that no image of a source holds, all its parts together."""
    parts: dict[str, list[DatasetCheck]] = defaultdict(list)
    for report in reports:
        domain, dot, _ = report.key.partition(".source")
        if dot and report.classes and report.pixels.any():
            parts[domain + dot].append(report)
    for key, several in parts.items():
        pixels = np.sum([report.pixels for report in several], axis=0)
        classes = several[0].classes
        seen = [i for i in range(len(classes)) if pixels[i]]
        absent = [name for i, name in enumerate(classes) if i not in seen]
        if not seen:
            text = "no label holds anything but ignored pixels"
        elif absent and (len(seen) == 1 or not all(r.benchmark for r in several)):
            text = f"no label holds the class {', '.join(absent)}, only {seen}"
        else:
            continue
        cure = (
            "check the ids of the label files and their id_map, or leave the class out"
        )
        yield Problem("absent", None, f"{key}: {text}; {cure}")


def _data(config: Mapping[str, Any]) -> tuple[list[DataFacts], list[str]]:
    """Build the datasets and look at some samples; what can't be is a text."""
    init_default_scope("mmseg")
    facts: list[DataFacts] = []
    broken: list[str] = []
    done: list[Any] = []
    for role in ("train", "val", "test"):
        dataset = (config.get(f"{role}_dataloader") or {}).get("dataset")
        if not dataset or dataset in done:
            continue
        done.append(dataset)
        try:
            built = DATASETS.build(dataset)
            if role == "train":
                facts += pair_facts(built)
            else:
                facts.append(data_facts(f"{role}_dataloader.dataset", role, built))
        except (ValueError, OSError, TypeError, KeyError) as error:
            broken.append(" ".join(str(error).split()))
    return facts, broken


def _heads(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find the configs of decode and auxiliary heads by their keys."""
    for name in ("decode_head", "auxiliary_head"):
        head = model.get(name)
        if isinstance(head, list | tuple):
            yield from ((f"model.{name}[{i}]", each) for i, each in enumerate(head))
        elif isinstance(head, Mapping):
            yield f"model.{name}", head


def class_numbers_of(model: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Return the numbers of classes that a model's config names.

    Args:
        model: The config's ``model``; what it leaves out is the decode head's.

    Yields:
        (config key, number).

    Examples:
        >>> head = dict(num_classes=3)
        >>> model = dict(decode_head=head, alignments=dict(a=dict(num_classes=2)))
        >>> list(class_numbers_of(model))
        [('model.decode_head', 3), ('model.alignments.a', 2)]
    """
    parts: list[tuple[str, Any]] = [*_heads(model)]
    for name, alignment in (model.get("alignments") or {}).items():
        key = f"model.alignments.{name}"
        parts.append((key, alignment))
        parts.append((f"{key}.discriminator", (alignment or {}).get("discriminator")))
    for key, part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("num_classes"), int):
            yield key, part["num_classes"]


def training_facts_of(config: Mapping[str, Any]) -> TrainingFacts | None:
    """Return what a config says of its training, as of a Runner's.

    Args:
        config: The config.
    """
    loader, loop = config.get("train_dataloader"), config.get("train_cfg") or {}
    if not loader or not loader.get("dataset"):
        return None
    dataset, sampler = loader["dataset"], loader.get("sampler") or {}
    kind = str(loop.get("type", "EpochBasedTrainLoop" if loop.get("by_epoch") else ""))
    by_epoch = kind == "EpochBasedTrainLoop" or "max_epochs" in loop
    schedulers = config.get("param_scheduler") or []
    if isinstance(schedulers, Mapping):
        schedulers = [schedulers] if "type" in schedulers else []
    return TrainingFacts(
        pairs=dataset.get("type") == "DomainPairDataset",
        target_labels=dataset.get("target_labels", "pseudo"),
        loop=kind,
        by_epoch=by_epoch,
        sampler=str(sampler.get("type", "")),
        # The host's samplers shuffle by default.
        shuffle=bool(sampler) and bool(sampler.get("shuffle", True)),
        max_iters=loop.get("max_iters"),
        schedules=tuple(
            ScheduleFacts(f"param_scheduler[{i}]", str(each.get("type")), each["end"])
            for i, each in enumerate(schedulers)
            if not each.get("by_epoch", True) and each.get("end", ENDLESS) < ENDLESS
        ),
        starts=late_starts(config.get("model") or {}),
    )
